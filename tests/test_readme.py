"""What the README shows is what comes out: example, claims, figure, commands."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ESTIMATE = re.compile(r"(-?\d+\.\d+) ± (\d\.\d(?:e[+-]\d+)?)")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_first_example_has_ten_lines():
    code = blocks("python")[0]
    assert len([line for line in code.splitlines() if line.strip()]) == 10


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_an_example_prints_what_is_shown(number):
    code, shown = blocks("python")[number], blocks("text")[number]
    captured = io.StringIO()
    with contextlib.redirect_stdout(captured):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    printed = captured.getvalue()
    # numbers may differ in digits that their errors do not vouch for; all else to the letter
    assert ESTIMATE.sub("NUMBER", printed).split() == ESTIMATE.sub("NUMBER", shown).split()
    for now, then in zip(ESTIMATE.findall(printed), ESTIMATE.findall(shown), strict=True):
        (value, error), (old, bar) = map(float, now), map(float, then)
        assert abs(value - old) <= error + bar
        assert bar / 10 <= error <= 10 * bar


def test_the_table_of_verdicts_shows_every_claim_as_expected():
    from proofs_check.registry import all_claims

    table = README[README.index("## Start") : README.index("## In Python")]
    for claim in all_claims():
        row = re.search(rf"^ +{re.escape(claim.id)} +\d+ cases?\b.*$", table, re.MULTILINE)
        assert row, claim.id
        verdict = re.sub(r", as expected$| \([^)]*\)$", "", row.group().rstrip())
        assert verdict.endswith(f" {claim.expected}")


def test_every_file_that_it_points_to_is_there():
    targets = re.findall(r"\]\(([^)#]+?)\)", README)
    assert len(targets) > 5
    for target in targets:
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_figure_is_drawn_from_the_record_beside_it():
    from proofs_check.figures import catalogue, strength

    record = catalogue.read_record("strength", ROOT / "docs")
    assert record["caption"] == strength.caption(
        "means (\N{MINUS SIGN}1, 1), equal weights, target mean 1, horizon 5",
        record["curves"],
        record["sampling"],
    )
    for suffix in (".png", ".svg", ".pdf"):
        assert catalogue.figure_path("strength", ROOT / "docs", suffix).is_file()
    reference = {0.0: 0.86389653751926, 1.0: 1.0942411700358}
    for curve in record["curves"]:
        at = curve["strength"].index(4.0)
        assert curve["entropy"][at]["value"] < reference[curve["noise_level"]]  # strength 4 > 3
        assert curve["entropy"][at]["error"] < 1e-7


@pytest.mark.parametrize(
    "line", re.findall(r"`(proofs-check (?:verify|solve|sample)[^`]*)`", README)
)
def test_every_command_is_accepted(line, monkeypatch, tmp_path):
    import shlex

    import proofs_check.cli.app as app

    words = shlex.split(line)[1:]
    command = app.group.commands[words[0]]
    context = command.make_context(words[0], words[1:])
    from proofs_check.cli.options import MODEL_FIELDS, optional_process

    optional_process({name: context.params[name] for name in MODEL_FIELDS})
