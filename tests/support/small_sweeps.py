"""Small sweeps, and a cheap stand-in for the solver of their cells."""

from proofs_check.sweep import parse_spec, runner

TOML = """
[model]
weights = [0.5, 0.5]
means = [-1, 1]
target = 1
sampler = "ode"
horizon = 3
[axes]
separation = [1.0, 2.0]
strength = {from = 0, to = 4, count = 3}
[output]
quantities = ["confidence", "entropy", "modes"]
"""
SPEC = {
    "model": {"weights": [0.5, 0.5], "means": [-1.0, 1.0], "target": 1, "sampler": "ode"},
    "axes": {"strength": [0.0, 1.0, 2.0, 3.0, 4.0], "horizon": [1.0, 2.0]},
}


def run_sweep(*arguments, **options):
    """Run a sweep in this process, where the solver may be replaced."""
    return runner.run_sweep(*arguments, **{"jobs": 1, **options})


def spec(**axes):
    """Return a small sweep."""
    return parse_spec({**SPEC, "axes": axes or SPEC["axes"]})


def files(folder):
    """Return the bytes of the tables."""
    return {name: (folder / name).read_bytes() for name in ("table.json", "table.csv")}
