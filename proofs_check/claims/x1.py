"""X1: without the Gram condition single paths of the SDE lose confidence though the mean rises."""

from __future__ import annotations

from collections.abc import Sequence

import sde_compare as sc
from fokker_planck.functionals import complement_mass
from proofs_check.claims.densities import read, solve
from proofs_check.claims.hypotheses import ISOTROPIC, NOISY, NOT_GRAM
from proofs_check.claims.pathwise import PathTest, coupled_rise, path_evidence, replayed
from proofs_check.claims.rises import Rise
from proofs_check.claims.tables import case
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Context, Level
from proofs_check.store import content_key


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table: three equal components, the centre guided."""
    table = [case("three-centre", 1, "sde", horizon=6.0)]
    if level == "full":
        table += [case("three-centre", eta, "sde", horizon=6.0) for eta in (0.25, 4.0)]
    return table


def statements(item: Case) -> int:
    """Return 4: the two of a path test, and the two ends of the losing share."""
    return 4


_LAST: dict[str, PathTest] = {}


def path_test(item: Case, context: Context) -> PathTest:
    """Return the path test of a case; the last one is kept, since the witness is found in it."""
    process = item.process
    key = content_key(process.spec(), context.level, context.seed)
    if key not in _LAST:
        rise = Rise(process, "log_odds")
        _LAST.clear()
        # one clear loser is enough: undecided paths are resolved once more, then counted
        _LAST[key] = coupled_rise(process, process.with_strength(0), rise, context, deeper=(4,))
    return _LAST[key]


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the rise of the log-odds at output; record how many paths lose, and the mean."""
    process = item.process
    test = path_test(item, context)
    found = path_evidence("least rise of log P(y)/(1-P(y)) at output", test, context, None)
    n, losing, open_ = test.value.size, int(test.violating.sum()), int(test.undecided.sum())
    sure = sc.clopper_pearson_limits(losing, n, 1 - context.share)[0]
    most = sc.clopper_pearson_limits(losing + open_, n, 1 - context.share)[1]
    more = {
        "losing_fraction": losing / n,
        "losing_fraction_interval": [sure, most],
    }
    if process.dimension == 1:
        functional = complement_mass(process)
        unguided = read(solve(process.with_strength(0)), functional)
        rise = unguided - read(solve(process), functional)
        more["rise_of_mean_confidence"] = rise.value
        more["rise_of_mean_confidence_error"] = sum(rise.budget.values())
    return [
        Evidence(
            found.name,
            found.source,
            found.value,
            found.budget,
            units="log-odds",
            details={**found.details, **more},
            remedy=found.remedy,
        )
    ]


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Replay the losing path on the same Brownian path, at finer steps and by another rule."""
    process = item.process
    rise = Rise(process, "log_odds")
    test = path_test(item, context)
    path = test.worst
    start = test.paths
    same_rule = replayed(test, rise, path, rule=start.rule)
    data = {
        "path": path,
        "seed": context.seed,
        "rise": float(test.value[path]),
        "output_guided": start.points_a[path].tolist(),
        "output_unguided": start.points_b[path].tolist(),
        "finer_same_rule": same_rule.to_dict(),
    }
    return Witness(data, replayed(test, rise, path))


CLAIM = Claim(
    id="X1",
    title="No path loses confidence (false without the Gram condition)",
    statement=(
        "With noise, no path of the guided sampler ends with a lower posterior P(y|x) than the "
        "unguided path from the same start with the same noise, whatever the means."
    ),
    latex=r"P_0(y\,|\,x^{\eta}_T) \ge P_0(y\,|\,x^{0}_T)\quad\text{for all paths and all means}",
    status="counterexample",
    hypotheses=(ISOTROPIC, NOISY, NOT_GRAM),
    cases=cases,
    gather=gather,
    confirm=confirm,
    cost=5.0,
    statements=statements,
    note="The hypothesis of T1 is dropped. One path that loses, found again twice, refutes it.",
)
