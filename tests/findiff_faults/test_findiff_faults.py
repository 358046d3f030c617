"""What findiff 0.16 gets wrong and the project steers around.

Each test states the right behaviour and is expected to fail, strictly: a release of findiff that
mends a fault breaks the test, and the detour in the code can then go.
"""

from types import ModuleType

import numpy as np
import pytest
from scipy import sparse

N = 81
X = np.linspace(-6.0, 6.0, N)
H = X[1] - X[0]
F = np.sin(X)


@pytest.fixture(scope="module")
def findiff() -> ModuleType:
    import findiff

    return findiff


def fault(reason: str, raises: type[BaseException] = AssertionError) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, raises=raises, reason=f"findiff 0.16: {reason}")


def trapezoid_weights() -> np.ndarray:
    weights = np.full(N, H)
    weights[[0, -1]] = H / 2
    return weights


@fault("c - D is evaluated as D - c")
def test_a_number_minus_an_operator_has_the_right_sign(findiff):
    D = findiff.Diff(0, H)
    np.testing.assert_allclose((2 - D)(F), 2 * F - D(F), atol=1e-12)


@pytest.mark.parametrize("power", [2, 3])
@fault("D**m * D**n is taken for D**(1 + n)")
def test_a_product_of_powers_on_one_axis_adds_the_orders(findiff, power):
    D = findiff.Diff(0, H)
    assert (D**power * D).order == power + 1


@fault("the stencil built on first use is kept, so a later set_accuracy does nothing")
def test_accuracy_can_be_set_after_use(findiff):
    D = findiff.Diff(0, H, acc=2)
    D(F)
    D.set_accuracy(6)
    np.testing.assert_allclose(D(F), findiff.Diff(0, H, acc=6)(F), atol=1e-12)


@fault("the first call leaves the high-order stencil behind, so the second compares it to itself")
def test_an_error_estimate_is_the_same_when_asked_for_twice(findiff):
    D = findiff.Diff(0, H, acc=2)
    first = D.estimate_error(F).error
    np.testing.assert_allclose(D.estimate_error(F).error, first)


@fault("coordinates are not checked", raises=pytest.fail.Exception)
def test_coordinates_that_are_not_monotone_are_refused(findiff):
    shuffled = X.copy()
    shuffled[[10, 11]] = shuffled[[11, 10]]
    with pytest.raises(ValueError):
        findiff.Diff(0, shuffled)(F)


@pytest.mark.parametrize("boundary", ["one-sided", "centered"])
@pytest.mark.parametrize("order", [1, 2])
@fault("end rows are not the transpose of anything: mass leaks through them")
def test_interior_columns_weighted_by_volume_sum_to_zero(findiff, order, boundary):
    # a flux that vanishes at both ends moves mass about and must not change its total
    operator = findiff.Diff(0, H, boundary=boundary) ** order
    columns = trapezoid_weights() @ operator.matrix((N,)).toarray()
    np.testing.assert_allclose(columns[1:-1], 0.0, atol=1e-9)


@pytest.mark.parametrize("acc", [4, 6, 8])
@fault("one-sided end rows give the second derivative large positive eigenvalues")
def test_the_heat_equation_does_not_grow(findiff, acc):
    eigenvalues = np.linalg.eigvals((findiff.Diff(0, H, acc=acc) ** 2).matrix((N,)).toarray())
    assert eigenvalues.real.max() < 1e-3 * np.abs(eigenvalues).max()


@fault("the matrix of a compact scheme stores an inverse, rounding errors included")
def test_the_matrix_of_a_compact_scheme_is_sparse(findiff):
    # the entries of the inverse fall by 0.27 a step: 60 a row are above rounding
    n = 400
    assert findiff.Diff(0, 1 / n, acc=4, compact=3).matrix((n,)).nnz < 100 * n


@fault("an operator cannot depend on time", raises=AttributeError)
def test_a_time_dependent_pde_takes_time_dependent_coefficients(findiff):
    # u' = -t u
    times = np.linspace(0.0, 1.0, 201)
    ends = findiff.BoundaryConditions((N,))
    ends[0] = ends[-1] = 0
    start = np.exp(-(X**2))
    pde = findiff.TimeDependentPDE((lambda t: -t) * findiff.Identity(), start, ends, times)
    np.testing.assert_allclose(pde.solve()[1:-1], start[1:-1] * np.exp(-0.5), atol=1e-5)


# What the project relies on, for contrast: these pass.


def test_half_integer_offsets_give_the_two_point_face_difference(findiff):
    face = findiff.coefficients(deriv=1, offsets=[-0.5, 0.5])
    np.testing.assert_allclose(face["coefficients"], [-1.0, 1.0], atol=1e-14)


def test_a_kronecker_sum_is_the_matrix_in_two_dimensions(findiff):
    dx, dy = findiff.Diff(0, H, acc=4) ** 2, findiff.Diff(1, H, acc=4) ** 2
    line = dx.matrix((20,))
    assert abs((dx + dy).matrix((20, 20)) - sparse.kronsum(line, line)).max() == 0.0


@pytest.mark.parametrize("acc", [2, 4, 8])
def test_a_single_derivative_has_its_stated_order(findiff, acc):
    errors = []
    for n in (41, 81):
        x = np.linspace(0.0, 3.0, n)
        errors.append(np.abs(findiff.Diff(0, x[1] - x[0], acc=acc)(np.sin(x)) - np.cos(x)).max())
    assert np.log2(errors[0] / errors[1]) > acc - 0.5
