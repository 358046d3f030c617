"""The report: one file without outside references, from stored records alone."""

import re
from html.parser import HTMLParser

import pytest
from figure_records import BY_HAND
from run_records import case_record, claim_record, write_run

from proofs_check import margins, report
from proofs_check.figures import catalogue
from proofs_check.mathsvg import to_svg
from proofs_check.store import write_json


class Balanced(HTMLParser):
    """Fails on a tag that is closed out of turn; keeps what refers to other files."""

    VOID = frozenset({"meta", "br", "img", "path", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture
def run_folder(tmp_path):
    write_run(
        tmp_path,
        [
            claim_record("E1", "SUPPORTED"),
            claim_record("X5", "REFUTED", "REFUTED"),
            claim_record("T9", "INCONCLUSIVE"),
            claim_record("E9", "ERROR", latex=r"\undefined{"),
            claim_record("T8", "VACUOUS", expected=None),
            claim_record("K9", "PROVED", "PROVED"),
        ],
    )
    path = catalogue.data_path("verdicts", tmp_path)
    path.parent.mkdir(parents=True)
    write_json(path, {**BY_HAND["verdicts"](), "run": catalogue.verdicts_digest(tmp_path)})
    catalogue.figure_path("verdicts", tmp_path, ".svg").write_text("<svg/>", encoding="utf-8")
    return tmp_path


def test_the_report_is_one_well_formed_file_that_refers_to_nothing_outside(run_folder):
    path = report.write(run_folder)
    assert path == run_folder / "report.html"
    page = Balanced()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.open == []
    assert all(ref.startswith(("#", "data:image/svg+xml;base64,")) for ref in page.references)
    assert page.tags.count("img") == 1 and "script" not in page.tags
    assert not list(run_folder.glob(".*"))


def test_figures_of_another_run_are_left_out(run_folder):
    for name, run in (("fan", "of this run"), ("travel", "of another"), ("strength", None)):
        write_json(catalogue.data_path(name, run_folder), {**BY_HAND[name](), "run": run})
        catalogue.figure_path(name, run_folder, ".svg").write_text("<svg/>", encoding="utf-8")
    shown = [item["name"] for item in report.load_figures(run_folder, "of this run")]
    assert shown == ["fan", "verdicts"]
    claim = claim_record("E1", "REFUTED")  # other verdicts than those that were drawn
    write_json(run_folder / "claims" / "E1.json", claim)
    shown = [item["name"] for item in report.load_figures(run_folder, None)]
    assert shown == []


def test_what_is_proved_names_its_files(run_folder):
    text = report.write(run_folder).read_text(encoding="utf-8")
    assert "proofs/E1-two.json" in text[text.index('<article id="K9">') :]


def test_a_refutation_that_was_expected_is_marked_so(run_folder):
    text = report.write(run_folder).read_text(encoding="utf-8")
    assert text.count("REFUTED</span>, as expected") == 1


def test_hypothesis_and_conclusion_stand_in_columns_of_their_own(run_folder):
    text = report.write(run_folder).read_text(encoding="utf-8")
    summary = text[text.index('class="summary"') : text.index("</table>")]
    rows = re.findall(r"<tr>(.*?)</tr>", summary, re.DOTALL)[1:]
    cells = [re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL) for row in rows]
    names = [re.sub("<.*?>", "", row[0]) for row in cells]
    assert names == ["E1", "X5", "T9", "E9", "T8", "K9"]
    assert [row[5] for row in cells] == ["2 proved"] * 6
    words = ["1 supported", "1 refuted", "1 inconclusive", "", "", "1 proved"]
    assert [row[6] for row in cells] == words
    assert "not as expected" in rows[3] and "not as expected" not in rows[0]
    assert "Not as expected: T9, E9, T8." in text


def test_text_of_records_is_escaped_and_unknown_numbers_are_named(run_folder):
    text = report.write(run_folder).read_text(encoding="utf-8")
    assert "1 &lt; 2" in text and "&lt;b&gt;" in text and "<b>" not in text
    assert "&plusmn; unknown" in text
    assert "because inconclusive" in text and "witness confirmed" in text


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        report.write(tmp_path)


def test_every_formula_of_the_claims_can_be_drawn():
    from proofs_check.registry import all_claims

    assert [claim.id for claim in all_claims() if to_svg(claim.latex) is None] == []


def test_a_formula_that_cannot_be_drawn_gives_none():
    assert to_svg(r"\undefined{x}") is None
    assert to_svg(r"\bigl(x\bigr) \le \text{one two}").startswith("<svg")


def test_the_line_of_a_model_says_nothing_twice():
    start = {"weights": [1.0], "means": [[0.0]], "covariances": [[[1.0]]]}
    guidance = {"name": "constant", "strength": 3.0}
    line = report.model_line(
        {"means": [-1.0, 1.0], "strength": 3.0, "noise_level": 1.0, "sampler": "sde"}
        | {"guidance": guidance, "initial": start}
    )
    assert line == "means [-1, 1]; strength 3; sampler sde; initial N(0, 1)"


@pytest.mark.parametrize(
    ("margin", "error", "control", "expected"),
    [
        (3.0, 1.0, False, 3.0),
        (-3.0, 1.0, True, 3.0),
        (1.0, 0.0, False, float("inf")),
        (0.0, 0.0, False, 0.0),
        (1.0, None, False, None),
        (None, 1.0, False, None),
    ],
)
def test_margins_in_units_of_their_error(margin, error, control, expected):
    assert margins.in_errors(margin, error, control) == expected


def test_the_least_margin_leaves_controls_and_vacuous_cases_out():
    cases = [case_record("a", "SUPPORTED"), case_record("b", "VACUOUS")]
    assert margins.least_of(cases) == pytest.approx(3e8)
    assert margins.largest_difference(cases[0]) == pytest.approx(1e-3)
    assert margins.least_of([]) is None
    assert margins.summary(cases) == "+3e8" and margins.summary([cases[1]]) == "-"
    control = {**cases[0], "evidence": cases[0]["evidence"][1:]}
    assert margins.summary([control]) == "0.00 (control)"
    assert [margins.text(r) for r in (None, float("inf"), 3.14, -2e8, 99999.0)] == [
        *("-", "exact", "+3.1", "-2e8", "+1e5"),
    ]
