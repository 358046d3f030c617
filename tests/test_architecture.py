"""The house rules, read off the source text: who may import whom, and what stays lazy."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("fokker_planck", "sde_compare", "proofs_check")  # each imports only leftwards
HEAVY = ("findiff", "sympy", "matplotlib.pyplot")  # too slow to import before they are needed
MODEL = "fokker_planck.model"
MODEL_MAY_IMPORT = (MODEL, "numpy", "scipy.special", "scipy.optimize", *sys.stdlib_module_names)
TEXT_SUFFIXES = {
    *(".py", ".md", ".toml", ".cff", ".yaml", ".yml", ".txt", ".cfg", ".html", ".j2"),
    *(".mplstyle", ".json", ".sh", ".svg", ".ipynb", ".csv", ".rst", ""),
}


# --- the checker: a function of source text ----------------------------------------------------


def within(name: str, *parents: str) -> bool:
    """Whether dotted `name` is one of `parents` or lies below one."""
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """The dotted name that ``from X import ...`` refers to, relative imports resolved."""
    if not node.level:
        return node.module or ""
    up = node.level - 1 if is_package else node.level
    base = module.split(".")
    base = base[: len(base) - up]
    return ".".join(base + ([node.module] if node.module else []))


def is_type_checking(node: ast.AST) -> bool:
    if not isinstance(node, ast.If):
        return False
    return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports(source: str, module: str, is_package: bool = False) -> Iterator[tuple[int, bool, str]]:
    """Yield (line, at top level, dotted name) for every import, dynamic ones included.

    A whole module ends in ".*", so that ``import a.b`` differs from ``from a import b``, where b
    may be a function.
    """
    aliases: dict[str, str] = {}

    def visit(node: ast.AST, top: bool) -> Iterator[tuple[int, bool, str]]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                aliases[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                yield node.lineno, top, f"{alias.name}.*"
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, module, is_package)
            for alias in node.names:
                yield node.lineno, top, f"{base}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rsplit(".", 1)[-1]
            first = node.args[0]
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                yield node.lineno, top, f"{first.value}.*"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if within(aliases.get(node.value.id, ""), *PACKAGES):
                yield node.lineno, top, f"{aliases[node.value.id]}.{node.attr}"
        inside = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        for field, value in ast.iter_fields(node):
            children = value if isinstance(value, list) else [value]
            deferred = (isinstance(node, inside) and field == "body") or (
                is_type_checking(node) and field == "body"
            )
            for child in children:
                if isinstance(child, ast.AST):
                    yield from visit(child, top and not deferred)

    yield from visit(ast.parse(source), True)


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """Every breach of the house rules in the text of one module, as "line N: why"."""
    package = module.split(".")[0]
    above = PACKAGES[PACKAGES.index(package) + 1 :]
    found = []
    for line, top, name in imports(source, module, is_package):
        if within(name, *above):
            found.append(f"line {line}: {package} imports upwards ({name})")
        if within(module, MODEL) and not within(name, *MODEL_MAY_IMPORT):
            found.append(f"line {line}: the model imports {name}")
        if package == "sde_compare" and within(name, "fokker_planck.methods"):
            found.append(f"line {line}: sde_compare reaches into {name}")
        if package == "sde_compare" and reaches_past_the_door(name):
            found.append(f"line {line}: sde_compare imports {name}, not from the public door")
        if top and within(name, *HEAVY):
            found.append(f"line {line}: {name} is imported at top level")
    return found


def reaches_past_the_door(name: str) -> bool:
    """Whether `name` lies below a private part of fokker_planck, such as its grid module."""
    parts = name.split(".")
    return parts[0] == "fokker_planck" and len(parts) > 2 and parts[1] not in ("model", "methods")


# --- the repository obeys ----------------------------------------------------------------------


def modules() -> list[tuple[str, Path]]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts).removesuffix(".__init__"), path))
    return found


def test_the_source_tree_obeys_the_house_rules():
    found = [
        f"{path.relative_to(ROOT)}: {problem}"
        for module, path in modules()
        for problem in violations(
            path.read_text(encoding="utf-8"), module, path.name == "__init__.py"
        )
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed(package):
    assert (ROOT / package / "__init__.py").is_file()
    assert (ROOT / package / "py.typed").is_file()


# --- the checker sees what it should -----------------------------------------------------------

PLANTED = [
    ("fokker_planck.grid", "import sde_compare", "upwards"),
    ("fokker_planck.grid", "def f():\n    from proofs_check import verify", "upwards"),
    ("sde_compare.samplers", "from proofs_check.verdict import Verdict", "upwards"),
    ("sde_compare.samplers", "importlib.import_module('proofs_check')", "upwards"),
    ("fokker_planck.model.mixture", "import scipy", "the model imports"),
    ("fokker_planck.model.mixture", "import scipy.linalg", "the model imports"),
    ("fokker_planck.model.mixture", "from scipy import special, stats", "the model imports"),
    ("fokker_planck.model.mixture", "from ..grid import Grid", "the model imports"),
    ("fokker_planck.model.mixture", "from .. import solve", "the model imports"),
    ("fokker_planck.model.mixture", "import fokker_planck", "the model imports"),
    ("fokker_planck.model.mixture", "def f():\n    import findiff", "the model imports"),
    ("sde_compare.agreement", "from fokker_planck.methods import spectral", "reaches into"),
    ("sde_compare.agreement", "from fokker_planck import methods", "reaches into"),
    ("sde_compare.agreement", "import fokker_planck as fp\nfp.methods.spectral", "reaches into"),
    ("sde_compare.agreement", "from fokker_planck.grid import Grid", "public door"),
    ("sde_compare.agreement", "from fokker_planck.grid import *", "public door"),
    ("sde_compare.agreement", "import fokker_planck.grid", "public door"),
    ("fokker_planck.residual", "from findiff import Diff", "top level"),
    (
        "fokker_planck.residual",
        "try:\n    import sympy\nexcept ImportError:\n    pass",
        "top level",
    ),
    ("fokker_planck.residual", "class A:\n    import sympy.core", "top level"),
    ("proofs_check.figures", "import matplotlib.pyplot as plt", "top level"),
    ("proofs_check.figures", "from matplotlib import pyplot", "top level"),
    ("proofs_check.figures", "if not TYPE_CHECKING:\n    import findiff", "top level"),
]

HARMLESS = [
    ("fokker_planck.model.mixture", "import math\nimport numpy as np\nfrom scipy import special"),
    ("fokker_planck.model.mixture", "from scipy.special import logsumexp\nfrom .noise import g"),
    ("fokker_planck.solve", "from .model import GaussianMixture\nfrom .methods import spectral"),
    ("fokker_planck.residual", "def f():\n    from findiff import Diff\n    return Diff"),
    ("sde_compare.agreement", "import fokker_planck as fp\nfrom fokker_planck.model import chain"),
    ("sde_compare.agreement", "from fokker_planck import Estimate, solve\nfrom .samplers import s"),
    ("proofs_check.figures", "import matplotlib\nimport fokker_planck, sde_compare"),
    ("proofs_check.figures", "if TYPE_CHECKING:\n    import matplotlib.pyplot as plt"),
]


@pytest.mark.parametrize(("module", "source", "why"), PLANTED)
def test_a_planted_violation_is_seen(module, source, why):
    assert any(why in problem for problem in violations(source, module))


@pytest.mark.parametrize(("module", "source"), HARMLESS)
def test_a_harmless_import_passes(module, source):
    assert violations(source, module) == []


def test_relative_imports_in_a_package_start_from_the_package_itself():
    source = "from .mixture import GaussianMixture"
    assert violations(source, MODEL, is_package=True) == []
    assert violations(source, MODEL, is_package=False) != []


# --- the text speaks of the project alone ------------------------------------------------------

FORBIDDEN = re.compile(
    r"(?<![\w./\-\])])/(?:work|root|home|Users)\b(?!-)"  # a path on somebody's machine
    r"|[A-Z]:\\Users\b"
    r"|\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs)"  # a package registry
    r"|--(?:extra-)?index-url|\bPIP_INDEX_URL\b"
)


def tracked_files() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.suffix in TEXT_SUFFIXES and path.is_file()]


def test_no_file_names_a_local_path_or_a_registry():
    this = Path(__file__).resolve()
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in tracked_files()
        if path != this  # it holds the patterns
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), 1
        )
        for match in FORBIDDEN.finditer(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        *("see /work/data", "`/root/x`", 'open("/home/someone/a")', "cd /work", "(/Users/x)"),
        *("https://pypi.org/simple", "https://files.pythonhosted.org/a", "pip --index-url x"),
    ],
)
def test_a_planted_path_is_seen(text):
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize(
    "text", ["sqrt(a)/root", "docs/work/x", "https://a.b/home", "./work", "f/g"]
)
def test_harmless_slashes_pass(text):
    assert not FORBIDDEN.search(text)
