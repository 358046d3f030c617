"""T1 and T1-mono: guidance never lowers confidence, path by path, under the Gram condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fokker_planck import ReverseProcess
from fokker_planck.functionals import complement_mass
from proofs_check.claims.densities import evidence, read, second_method, solve
from proofs_check.claims.hypotheses import (
    CONSTANT,
    GRAM,
    ISOTROPIC,
    MONOTONE,
    exact_gram,
    monotone_kind,
    movers,
    rivals,
)
from proofs_check.claims.pathwise import PathTest, coupled_rise, path_evidence, replayed
from proofs_check.claims.proofs import proof_evidence
from proofs_check.claims.rises import Rise
from proofs_check.claims.tables import case, random_cases
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Context, Level, without_guidance
from sde_compare import regions as rg

CAP = 1e-6
LADDER = (0.0, 0.25, 0.5, 1.0)


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table of T1."""
    table = [
        case("two", 0, "sde"),
        case("two", 3, "ode"),
        case("two", 3, "sde"),
        case("two", 2, 0.5),
        case("two-unequal", 16, "sde"),
        case("two-narrow", 16, "ode"),
        case("three-extreme", 8, "ode"),
        case("three-extreme", 8, "sde"),
    ]
    if level == "full":
        table += random_cases(40, seed, "T1", extreme=True)
    return table


def mono_cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table of T1-mono."""
    table = [
        case("two", 0, "ode"),
        case("two", 16, "ode"),
        case("two", 4, "sde"),
        case("two-unequal", 16, "sde"),
        case("three-extreme", 8, "sde"),
        case("plane-orthogonal", 6, "sde"),
    ]
    if level == "full":
        table += [case("plane-orthogonal", 6, "ode")]
        table += random_cases(20, seed, "T1-mono", components=2)
        extreme = random_cases(10, seed, "T1-mono extreme", extreme=True)
        table += [replace(item, id=f"extreme-{item.id}") for item in extreme]
    return table


def path_statements(item: Case) -> int:
    """Return 2: the shares of paths that could still violate, and that escape the error bar."""
    return 2


def ladder_statements(item: Case) -> int:
    """Return two per rung."""
    return 2 * len(rungs(item.process))


def rungs(process: ReverseProcess) -> list[tuple[float, float]]:
    """Return neighbouring strengths, up to the case's own."""
    steps = [share * process.strength for share in LADDER]
    pairs = list(zip(steps[1:], steps[:-1], strict=True))
    return pairs[-1:] if without_guidance(process) else pairs


def path_test(process: ReverseProcess, context: Context, above: float, below: float) -> PathTest:
    """Return the rise of the log-ratios from strength ``below`` to ``above``."""
    a = process if above == process.strength else process.with_strength(above)
    return coupled_rise(a, process.with_strength(below), Rise(process), context)


def mean_gap(process: ReverseProcess, method: str = "auto") -> Evidence:
    """Return E[1 - P] at strength 0 less that at the case's strength, at output."""
    functional = complement_mass(process)
    unguided = read(solve(process.with_strength(0), method), functional)
    guided = read(solve(process, method), functional)
    return evidence(
        "E[1-P] at 0 - E[1-P] at eta",
        unguided - guided,
        units="probability",
        cap=CAP if without_guidance(process) else None,
        complement_unguided=unguided.value,
        complement_guided=guided.value,
    )


def cap_of(process: ReverseProcess) -> float | None:
    """Return the cap of a control, None where it is none."""
    return CAP if without_guidance(process) else None


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the rise on coupled paths, and in the mean from densities (dimension one)."""
    process = item.process
    name = "least rise of log P(y)/P(k)"
    test = path_test(process, context, process.strength, 0.0)
    found = [path_evidence(name, test, context, cap_of(process))]
    if movers(process):
        found.append(gram_proof(process))
    if process.dimension == 1:
        found.append(mean_gap(process))
    return found


def gather_ladder(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the rise on coupled paths from every strength of the ladder to the next."""
    process = item.process
    found = [
        path_evidence(
            f"least rise of log P(y)/P(k), strength {below:g} to {above:g}",
            path_test(process, context, above, below),
            context,
            cap_of(process),
        )
        for above, below in rungs(process)
    ]
    if movers(process):
        found.append(comparison_proof(process))
    return found


def free_posteriors(process: ReverseProcess) -> tuple[dict[int, rg.Expr], rg.Region]:
    """Return the rivals' posteriors as shares of free log-ratios l_k = log P(y)/P(k).

    One proof is then for all points, times and weights.
    """
    return _free_shares(rivals(process))


def merged_posteriors(process: ReverseProcess) -> tuple[dict[int, rg.Expr], rg.Region]:
    """Return the same with components of one mean taken together.

    Those with the target's own mean only add a constant to the denominator, which the log-ratios
    absorb.
    """
    return _free_shares(list(movers(process)))


def _free_shares(keys: Sequence[int]) -> tuple[dict[int, rg.Expr], rg.Region]:
    ratios = rg.variables([f"l{k}" for k in keys])
    shares = rg.shares(0, *(-x for x in ratios))[1:]
    region = rg.Region({f"l{k}": ("-inf", "inf") for k in keys})
    return dict(zip(keys, shares, strict=True)), region


def gram_proof(process: ReverseProcess) -> Evidence:
    """Return the proof that sum_k P(k) G_kl >= 0 for every l: what T1 asks of the drift.

    The sum is linear in the posteriors, so that the vertices of their simplex decide: the signs of
    the entries of G, which are rational numbers.
    """
    shares, region = free_posteriors(process)
    gram = exact_gram(process)
    decisions = [
        rg.decide(
            rg.total([rg.number(gram[min(k, m), max(k, m)]) * p for k, p in shares.items()]),
            region,
            name=f"sum_k P(k) G[k,{m}]",
        )
        for m in shares
    ]
    text = "sum_k P(k) <mu_y - mu_k, mu_y - mu_l> >= 0 for every l, on the whole simplex"
    return proof_evidence("Gram condition", text, decisions)


def comparison_proof(process: ReverseProcess) -> Evidence:
    r"""Return the proof of what the comparison theorem C2 or C3 asks of the drift.

    Orthogonal (or two components): the drift of the coordinate of v_k contains eta P(k), whose
    derivative in l_j is P(k) P(j) >= 0 for j != k and which rises with eta. On a line: v_k = c_k v,
    and the term of eta is v sum_k P(k) c_k with c_k > 0.
    """
    shares, region = merged_posteriors(process)
    gram, first = exact_gram(process), next(iter(shares), 0)
    decisions = []
    if monotone_kind(process) == "line":  # v_k = c_k v with c_k > 0
        ratio = {k: gram[min(k, first), max(k, first)] / gram[first, first] for k in shares}
        push = rg.total([rg.number(ratio[k]) * p for k, p in shares.items()])
        decisions = [rg.decide(push, region, name="sum_k P(k) c_k")]
        return proof_evidence("drift ordered in eta", "sum_k P(k) c_k >= 0", decisions)
    for k, share in shares.items():
        decisions.append(rg.decide(rg.number(gram[k, k]) * share, region, name=f"G P({k})"))
        for j in shares:
            if j != k:
                slope = rg.derivative(rg.number(gram[k, k]) * share, f"l{j}")
                decisions.append(rg.decide(slope, region, name=f"d/dl_{j} of G P({k})"))
    text = "the drift in the coordinates of the v_k rises with eta and is quasi-monotone"
    return proof_evidence("quasi-monotone", text, decisions)


def _replay(process: ReverseProcess, context: Context, above: float, below: float) -> Witness:
    test = path_test(process, context, above, below)
    path = test.worst
    data = {
        "path": path,
        "strengths": [above, below],
        "rise": float(test.value[path]),
        "output_guided": test.paths.points_a[path].tolist(),
        "output_unguided": test.paths.points_b[path].tolist(),
        "seed": context.seed,
    }
    return Witness(data, replayed(test, Rise(process), path))


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Replay the path at finer steps by another rule, or solve by central differences."""
    process = item.process
    if failed.source == "paths":
        return _replay(process, context, process.strength, 0.0)
    again = mean_gap(process, second_method(process))
    return Witness({"functional": failed.name, "margin": failed.value}, again)


def confirm_ladder(item: Case, context: Context, failed: Evidence) -> Witness:
    """Replay the path of the rung that failed."""
    pairs = rungs(item.process)
    above, below = next(p for p in pairs if failed.name.endswith(f"{p[1]:g} to {p[0]:g}"))
    return _replay(item.process, context, above, below)


T1 = Claim(
    id="T1",
    title="Confidence, path by path",
    statement=(
        "With a common covariance sigma^2 I and <mu_y - mu_k, mu_y - mu_l> >= 0 for all k, l, the "
        "guided sampler has at every reverse time at least the posterior P(y|x) of the unguided "
        "one that starts at the same point and sees the same noise; hence also in mean."
    ),
    latex=(
        r"\langle\mu_y-\mu_k,\,\mu_y-\mu_l\rangle \ge 0\ \ \forall k,l\ne y \;\Longrightarrow\; "
        r"P_t(y\,|\,x^{\eta}_\tau) \ge P_t(y\,|\,x^{0}_\tau)\quad\forall\,\eta\ge0,\ \tau\in[0,T]"
    ),
    status="theorem",
    hypotheses=(ISOTROPIC, GRAM),
    cases=cases,
    gather=gather,
    confirm=confirm,
    statements=path_statements,
    note=(
        "Tested in log-ratios log P(y)/P(k), which do not saturate. Sampled paths never decide "
        "'for all paths': the share that could still violate is given with its confidence."
    ),
)

T1_MONO = Claim(
    id="T1-mono",
    title="Confidence grows with strength",
    statement=(
        "With a common covariance sigma^2 I, P(y|x) along a path is nondecreasing in the guidance "
        "strength if there are two components, or the means lie on a line and the target's at its "
        "end, or the vectors mu_y - mu_k are orthogonal."
    ),
    latex=(
        r"\langle v_k, v_l\rangle = 0\ (k \ne l):\qquad 0\le\eta\le\eta' \;\Longrightarrow\; "
        r"P_t(y\,|\,x^{\eta}_\tau) \le P_t(y\,|\,x^{\eta'}_\tau)\quad\forall\,\tau\in[0,T]"
    ),
    status="theorem",
    hypotheses=(ISOTROPIC, MONOTONE, CONSTANT),
    cases=mono_cases,
    gather=gather_ladder,
    confirm=confirm_ladder,
    statements=ladder_statements,
    cost=4.0,
)
