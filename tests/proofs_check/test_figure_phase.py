"""The phase diagram: its steps, its cells against laws asked for more tightly, what is hidden."""

import numpy as np
import pytest
from scipy.special import lambertw

import fokker_planck as fp
from proofs_check.claims.d1 import centre_process
from proofs_check.figures import phase
from tests.proofs_check.figure_records import phase as by_hand


@pytest.mark.parametrize("h", [0.02, 0.1, 0.3, 0.137, 5.0])
def test_steps_have_one_length_but_for_the_first(h):
    tau = phase.times(h)
    steps = np.diff(tau)
    assert (tau[0], tau[-1]) == (0.0, 5.0)
    assert np.allclose(steps[1:], h) and 0 < steps[0] <= h * (1 + 1e-9)


def test_a_model_is_refused():
    with pytest.raises(ValueError, match="process must be None"):
        phase.compute(0, "quick", centre_process(0.3, 3.0, "ode"))


@pytest.fixture(scope="module")
def record():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phase, "SIZE", {"quick": 3})
        patch.setattr(phase, "STEPS", (0.2, 0.5))
        patch.setattr(phase, "LOCATED", 2)
        return phase.compute(0, "quick")


def test_cells_are_the_confidence_of_chains_within_their_errors(record):
    for sampler, data in zip(phase.SAMPLERS, record["panels"], strict=True):
        assert phase.known(data).all()
        process = centre_process(1 / 3, 3.0, sampler)
        for h, row, errors in zip(data["h"], data["confidence"], data["error"], strict=True):
            for theta, value, error in zip(data["theta"], row, errors, strict=True):
                chain = fp.chain(process.with_strength(theta / h), phase.times(h))
                exact = fp.solve(chain, tol=1e-7).posterior_mass[-1]
                assert abs(value - exact.value) <= error + exact.error


def test_lines_lie_where_theory_says(record):
    ode, sde = record["panels"]
    w = float(lambertw(2 / np.e).real)  # 2 w / (1 - 2 w) = 2 at w = 1/3
    assert np.allclose(ode["linear"]["theta"], 1 / w, rtol=1e-6)
    steps = np.array(sde["linear"]["h"])
    assert np.allclose(sde["linear"]["theta"], (1 - steps / 2) / (2 * w), rtol=1e-6)
    assert sde["net"] is None and abs(ode["net"] - 5.842) < 5e-3


def test_the_caption_counts_what_the_cells_say(record):
    assert record["caption"].count("9 cells, 0 of them not known") == 2
    data = by_hand()["panels"][0]
    text = phase.tally(data)
    assert "30 cells, 10 of them not known, error at most 1e-05 on the others" in text
    assert "above half again on 0" in text


def test_a_cell_that_is_not_known_has_no_colour():
    figure = phase.draw(by_hand())
    drawn = [
        np.ma.getmaskarray(mesh.get_array()).reshape(5, 6)
        for ax in figure.axes[:2]
        for mesh in ax.collections[:1]
    ]
    for mask in drawn:
        assert mask[:, 2:4].all() and mask.sum() == 10
    assert all(len(ax.patches) == 10 for ax in figure.axes[:2])
