"""The HTML report of a run: one file, drawn from the stored records and figures alone."""

from __future__ import annotations

import base64
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from proofs_check import margins
from proofs_check.figures import TITLES, catalogue
from proofs_check.mathsvg import to_svg

TEMPLATES = Path(__file__).with_name("templates")
ORDER = ("ERROR", "REFUTED", "INCONCLUSIVE", "SUPPORTED", "PROVED", "VACUOUS")


def write(out: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` into the folder of a run, and return its path.

    Reads ``index.json``, ``claims/`` and ``figures/`` of that folder and nothing else. The file is
    replaced as a whole and needs no other file, script or network.

    Raises
    ------
    FileNotFoundError
        If the folder holds no records of a run.
    """
    folder = Path(out)
    target = folder / "report.html"
    part = folder / ".report.html.part"
    part.write_text(render(folder), encoding="utf-8")
    os.replace(part, target)
    return target


def render(folder: Path) -> str:
    """Return the report as HTML text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    claims = [load_claim(folder / entry["file"]) for entry in index["claims"]]
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    templates.filters.update(number=number, parameter=parameter)
    return templates.get_template("report.html.j2").render(
        claims=claims,
        counts=[(name, index["summary"].get(name, 0)) for name in ORDER],
        surprises=[claim["id"] for claim in claims if not claim["as_expected"]],
        figures=load_figures(folder, index["environment"].get("run")),
        environment=index["environment"],
    )


def load_claim(path: Path) -> dict[str, Any]:
    """Return a claim's record with what the template shows of it."""
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    cases = [
        {
            **case,
            "model": model_line(case["parameters"]),
            "evidence": [{**item, **shown(item)} for item in case["evidence"]],
        }
        for case in record["cases"]
    ]
    return {
        **record,
        "cases": cases,
        "formula": to_svg(record["latex"]),
        "margin": margins.summary(record["cases"]),
        "hypothesis": hypothesis_column(cases),
        "conclusion": tally(case.get("conclusion_verdict") for case in cases),
        "conditions": [condition_row(item, cases) for item in record["hypotheses"]],
    }


def shown(evidence: dict[str, Any]) -> dict[str, Any]:
    """Return what the template adds to a piece of evidence: its margin in units of its error."""
    control = margins.is_control(evidence)
    ratio = margins.ratio(evidence, control)
    if control and ratio is not None:
        return {"ratio": f"{ratio:.2f} (control)"}
    return {"ratio": margins.text(ratio)}


def hypothesis_column(cases: list[dict[str, Any]]) -> str:
    """Return in how many cases the hypotheses were found to hold, to fail, or neither."""
    words = Counter(worst_condition(case) for case in cases)
    names = ("proved", "assumed", "undecided", "refuted", "none needed")
    return ", ".join(f"{words[name]} {name}" for name in names if words[name])


def worst_condition(case: dict[str, Any]) -> str:
    """Return the least certain status among the hypotheses of a case."""
    found = [item["status"] for item in case["hypotheses"]]
    for status in ("refuted", "undecided", "assumed"):
        if status in found:
            return status
    return "proved" if found else "none needed"


def condition_row(hypothesis: dict[str, Any], cases: list[dict[str, Any]]) -> dict[str, str]:
    """Return a hypothesis with the counts of what was found about it."""
    found = Counter(
        item["status"]
        for case in cases
        for item in case["hypotheses"]
        if item["name"] == hypothesis["name"]
    )
    text = ", ".join(f"{count} {status}" for status, count in sorted(found.items()))
    return {"name": hypothesis["name"], "text": hypothesis["text"], "found": text}


def tally(verdicts: Any) -> str:
    """Return counts of verdicts in words, worst first."""
    counts = Counter(verdict for verdict in verdicts if verdict is not None)
    return ", ".join(f"{counts[name]} {name.lower()}" for name in ORDER if counts[name])


def number(value: Any) -> str:
    """Return a number for a table; an unknown one in words."""
    return "unknown" if value is None else f"{float(value):.3g}"


def parameter(value: Any) -> str:
    """Return a parameter for a table."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(parameter(item) for item in value) + "]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {parameter(item)}" for key, item in value.items())
    return str(value)


def model_line(parameters: dict[str, Any]) -> str:
    """Return the parameters of a case in one line, without what another entry already says."""
    shown = dict(parameters)
    shown.pop("noise_level", None)  # the sampler names it
    if shown.get("guidance", {}).get("name") == "constant":
        del shown["guidance"]  # the strength says it
    initial = shown.get("initial", {})
    if len(initial.get("weights", [])) == 1:
        law = f"N({parameter(initial['means'][0])}, {parameter(initial['covariances'][0])})"
        shown["initial"] = law.translate({ord("["): None, ord("]"): None})
    return "; ".join(f"{key} {parameter(value)}" for key, value in shown.items())


def load_figures(folder: Path, run: str | None) -> list[dict[str, str]]:
    """Return the figures of this very run, each with its picture inside.

    Figures of another model, seed, level or version that lie in the folder are left out.
    """
    found = []
    for name, title in TITLES.items():
        picture = catalogue.figure_path(name, folder, ".svg")
        wanted = catalogue.verdicts_digest(folder) if name == catalogue.VERDICTS else run
        if wanted and picture.is_file() and catalogue.belongs(name, folder, wanted):
            code = base64.b64encode(picture.read_bytes()).decode("ascii")
            text = catalogue.read_record(name, folder)["caption"]
            source = f"data:image/svg+xml;base64,{code}"
            found.append({"name": name, "title": title, "caption": text, "source": source})
    return found
