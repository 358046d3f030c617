"""The replay of proofs: what is right is accepted, what is edited until it is wrong is not."""

import ast
import copy
import json
import math
import sys
from pathlib import Path

import flint
import pytest
from hand_made_proofs import ALL, Nodes, changed, part, proof, saddle, sealed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sde_compare.regions.proof import write
from sde_compare.regions.replay import replay, replay_file

FOLDER = Path(sys.modules["sde_compare.regions.replay"].__file__).parent
HOW = ("parts", 0, "proof")
BOXES = (*HOW, "boxes")


def one(nodes, region, how):
    return replay(proof(part(nodes, region, how)))


def in_boxes(nodes, region, boxes, bound=0):
    return one(nodes, region, {"kind": "boxes", "bound": bound, "boxes": boxes})


def function(rule, *args):
    """Nodes of a rule applied to the variable x, or of one applied to numbers of nodes."""
    nodes = Nodes()
    nodes("var", "x")
    nodes(rule, [0], *args)
    return nodes


# --- right proofs --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_proof_made_by_hand_is_accepted_without_further_cuts(name):
    data = ALL[name]()
    found = replay(data)
    assert found.accepted and found.reason == "" and found and found.bits == 128
    (record,) = found.parts
    assert record.kind == "boxes" and record.claim == "nonnegative"
    assert record.boxes == found.boxes == len(data["parts"][0]["proof"]["boxes"])
    assert record.cuts == 0 and record.seconds > 0


def test_a_file_is_replayed_and_the_precision_of_others_left_alone(tmp_path):
    path = write(tmp_path / "proof.json", saddle())
    before = flint.ctx.prec
    assert replay_file(path).accepted
    assert not replay({"schema": 1}).accepted
    assert flint.ctx.prec == before
    assert replay(saddle(), bits=300).bits == 300
    with pytest.raises(ValueError, match="bits must be a whole number >= 100, got 53"):
        replay(saddle(), bits=53)


def test_boxes_that_are_too_large_are_cut_and_counted():
    n = Nodes()
    x, y = n("var", "x"), n("var", "y")
    n("add", [n("pow", [x], 2), n("pow", [y], 2), n("mul", [x, y]), n.const("1/100")])
    region = [["x", "-1", "1"], ["y", "-1", "1"]]
    found = in_boxes(n, region, [[-1, 1, -1, 1]], 0.001)
    assert found.accepted and found.parts[0].cuts > 10
    found = in_boxes(n, region, [[-1, 1, -1, 1]], 0.0101)
    assert not found.accepted and "part 0 (part): box 0" in found.reason
    assert "x in [-1, 1], y in [-1, 1]" in found.reason


# --- edits ---------------------------------------------------------------------------------------


def paths(value, at=()):
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*at, key))
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from paths(inner, (*at, k))
    else:
        yield at


def nudged(value):
    if isinstance(value, str):
        return value + "1"
    return math.nextafter(value, math.inf) if isinstance(value, float) else value + 1


@pytest.mark.parametrize("name", ALL)
def test_every_single_edit_is_noticed_by_the_digest(name):
    data = ALL[name]()
    for path in paths(data):
        found = replay(changed(data, *path, to=nudged))
        assert not found.accepted, path


@pytest.mark.parametrize("name", ALL)
def test_a_moved_end_is_rejected_with_a_digest_that_fits(name):
    data = ALL[name]()
    boxes = data["parts"][0]["proof"]["boxes"]
    for k, box in enumerate(boxes):
        for i, value in enumerate(box):
            near = float(value)
            moves = [math.nextafter(near, -math.inf), math.nextafter(near, math.inf), 0.7 * near]
            for to in moves:
                if to != near and not math.isnan(to):
                    text = to if math.isfinite(to) else str(to)
                    found = replay(sealed(changed(data, *BOXES, k, i, to=text)))
                    assert not found.accepted and "box" in found.reason, (k, i, to)


@pytest.mark.parametrize("name", ALL)
def test_boxes_removed_doubled_or_turned_are_rejected(name):
    data = ALL[name]()
    boxes = data["parts"][0]["proof"]["boxes"]
    for k, box in enumerate(boxes):
        turned = [box[1], box[0], *box[2:]]
        for other in (
            boxes[:k] + boxes[k + 1 :],
            [*boxes, box],
            [*boxes[:k], turned, *boxes[k + 1 :]],
        ):
            found = replay(sealed(changed(data, *BOXES, to=other)))
            assert not found.accepted and ("box" in found.reason or not other)
    shuffled = list(reversed(boxes))
    assert replay(sealed(changed(data, *BOXES, to=shuffled))).accepted  # order means nothing


#: (proof, where, what, part of the reason): edits that make the proof false
FALSE_EDITS = [
    ("exponential", (*HOW, "bound"), 0.5000001, "below 0.5"),
    ("exponential", (*HOW, "bound"), -0.1, "bound must be"),
    ("exponential", (*HOW, "bound"), True, "bound must be"),
    ("exponential", (*HOW, "bound"), None, "bound must be"),
    ("exponential", (*HOW, "bound"), "0", "bound must be"),
    ("exponential", ("parts", 0, "function", 4), ["const", "-21/20"], "below 0.45"),
    ("exponential", ("parts", 0, "region", 0), ["x", "-2", "9/4"], "gap"),
    ("exponential", ("parts", 0, "region", 0), ["x", "-2", "3/2"], "sticks out"),
    ("exponential", ("parts", 0, "region", 0), ["x", "-2", "inf"], "gap"),
    ("exponential", ("parts", 0, "region", 0), ["y", "-2", "2"], "without a range"),
    ("exponential", ("parts", 0, "region", 0), ["x", "2", "-2"], "empty"),
    ("exponential", ("parts", 0, "region", 0), ["x", "-2", "nan"], "p/q"),
    ("exponential", ("parts", 0, "region", 0), ["x", -2, 2], "p/q"),
    ("exponential", ("parts", 0, "claim"), "positive", "claim must be"),
    ("exponential", ("parts", 0, "claim"), "negative somewhere", "must have the keys"),
    ("exponential", ("parts", 0, "extra"), 1, "must have the keys"),
    ("exponential", (*HOW, "kind"), "magic", "kind must be"),
    ("exponential", (*HOW, "kind"), "manifest", "must have the keys"),
    ("exponential", HOW, {"kind": "manifest"}, "rules of signs"),
    ("exponential", HOW, {"kind": "roots"}, "exp does not make a polynomial"),
    ("exponential", ("parts",), [], "parts must be"),
    ("exponential", ("schema",), "guidance-verifier/proof-2", "schema must be"),
    ("saddle", (*HOW, "bound"), 0.32, "below 0.32"),
    ("saddle", ("parts", 0, "function", 6), ["const", "-2/5"], "below 0.3"),
    ("saddle", ("parts", 0, "region", 1), ["x", "-1/2", "1"], "twice"),
    ("decay", (*HOW, "bound"), 0.1001, "below"),
    ("decay", ("parts", 0, "function", 4), ["const", "-2"], "below"),
    ("decay", ("parts", 0, "region", 0), ["x", "-1/1000000", "inf"], "gap"),
    ("tenth", ("parts", 0, "region", 0), ["x", "1/11", "3/10"], "gap"),
    ("tenth", ("parts", 0, "function", 2), ["const", "-1/3"], "below"),
]


@pytest.mark.parametrize(("name", "path", "to", "why"), FALSE_EDITS)
def test_an_edit_that_makes_the_proof_false_is_rejected_with_any_digest(name, path, to, why):
    data = changed(ALL[name](), *path, to=to)
    old = replay(data)
    assert not old.accepted and ("digest" in old.reason or "schema" in old.reason)
    found = replay({**sealed(data), "schema": data["schema"]} if path != ("schema",) else data)
    assert not found.accepted and why in found.reason


# --- undefined is never a proof ------------------------------------------------------------------

WIDE = [["x", "-1", "4"]]


@pytest.mark.parametrize(
    ("nodes", "region"),
    [
        (function("sqrt"), WIDE),
        (function("log"), WIDE),
        (function("log"), [["x", "0", "4"]]),
        ([["var", "x"], ["const", "0"], ["log", [0]], ["mul", [1, 2]]], WIDE),
        ([["var", "x"], ["const", "0"], ["div", [1, 0]]], WIDE),
        ([["var", "x"], ["const", "0"], ["sqrt", [0]], ["mul", [1, 2]]], WIDE),
        ([["var", "x"], ["div", [0, 0]]], WIDE),
        ([["var", "x"], ["div", [0, 0]]], [["x", "0", "1"]]),
        ([["var", "x"], ["const", "0"], ["div", [0, 1]], ["mul", [1, 2]]], [["x", "1", "2"]]),
        ([["var", "x"], ["log", [0]], ["exp", [1]]], WIDE),
        ([["var", "x"], ["sqrt", [0]], ["tanh", [1]], ["pow", [2], 2]], WIDE),
    ],
)
def test_what_is_undefined_somewhere_is_never_accepted(nodes, region):
    low, high = float(region[0][1]), float(region[0][2])
    for boxes in ([[low, high]], [[low, 0.5], [0.5, high]]):
        if low < 0.5 < high or len(boxes) == 1:
            assert not in_boxes(nodes, region, boxes).accepted
    for how in ({"kind": "manifest"}, {"kind": "roots"}):
        assert not one(nodes, region, how).accepted
    same = {"kind": "identity", "function": nodes, "proof": {"kind": "manifest"}}
    assert not one(nodes, region, same).accepted
    other = {"kind": "identity", "function": [["const", "1"]], "proof": {"kind": "manifest"}}
    assert not one(nodes, region, other).accepted


def test_a_root_is_defined_at_its_edge():
    assert in_boxes(function("sqrt"), [["x", "0", "4"]], [[0.0, 4.0]]).accepted


# --- infinite boxes ------------------------------------------------------------------------------


def test_infinite_boxes_mean_all_real_points():
    n = Nodes()
    n("exp", [n("mul", [n("var", "x"), n.const(-1)])])
    tail = [["x", "10", "inf"]]
    assert in_boxes(n, tail, [[10.0, "inf"]]).accepted
    assert not in_boxes(n, tail, [[10.0, "inf"]], 1e-300).accepted
    assert not in_boxes(n, tail, [[10.0, 1e308]]).accepted
    # 1 / exp(-x): the divisor comes as near to 0 as one likes and never is 0
    inverse = [*n, ["const", "1"], ["div", [len(n), len(n) - 1]]]
    assert in_boxes(inverse, tail, [[10.0, "inf"]], 22026.0).accepted
    assert not in_boxes(inverse, tail, [[10.0, "inf"]], 22027.0).accepted
    # x exp(-x) - ... : an infinite product is no bound
    product = [*n, ["mul", [0, len(n) - 1]], ["const", "-1"], ["mul", [len(n), len(n) + 1]]]
    assert not in_boxes(product, tail, [[10.0, "inf"]]).accepted


def test_shares_and_monotone_functions_on_infinite_boxes():
    n = Nodes()
    x = n("var", "x")
    share = n("share", [x, n("mul", [n.const(-1), x])], 0)
    n("add", [share, n.const("-1/2")])
    line, half = [["x", "-inf", "inf"]], [["x", "0", "inf"]]
    assert in_boxes(n, half, [[0.0, "inf"]]).accepted
    assert not in_boxes(n, half, [[0.0, "inf"]], 1e-9).accepted
    assert not in_boxes(n, line, [["-inf", 0.0], [0.0, "inf"]]).accepted
    n = Nodes()  # 2 - tanh(x) - tanh(x)^3 falls for ever: its least value is a limit
    t = n("tanh", [n("var", "x")])
    minus = n("mul", [n.const(-1), n("add", [t, n("pow", [t], 3)])])
    n("add", [n.const("21/10"), minus])
    assert in_boxes(n, line, [["-inf", "inf"]], 0.0999).accepted
    assert not in_boxes(n, line, [["-inf", "inf"]], 0.1001).accepted


# --- witnesses -----------------------------------------------------------------------------------


def witness(nodes, region, point):
    head = {"name": "w", "region": region, "function": nodes}
    return replay(proof({**head, "claim": "negative somewhere", "witness": point}))


def test_a_witness_must_lie_in_the_region_and_be_negative():
    n = Nodes()
    n("add", [n("pow", [n("var", "x")], 2), n.const("-1/100")])
    region = [["x", "-1", "1/20"]]
    assert witness(n, region, {"x": "1/20"}).accepted
    assert witness(n, region, {"x": "-99999/1000000"}).accepted
    for point, why in (
        ({"x": "1/10"}, "outside"),
        ({"x": "-1/10"}, "is 0, not negative"),
        ({"x": "-1"}, "is 0.99, not negative"),
        ({"x": "nan"}, "p/q"),
        ({"x": 0}, "p/q"),
        ({}, "keys"),
        ({"x": "0", "y": "0"}, "keys"),
        ([], "object"),
    ):
        found = witness(n, region, point)
        assert not found.accepted and why in found.reason


def test_a_witness_is_decided_with_more_bits_or_not_at_all():
    n = Nodes()  # exp(x) - 1 - x - x^2/2 - x^3/6 at -1e-60: x^4/24 less what is subtracted
    x = n("var", "x")
    terms = [n("exp", [x]), n.const(-1), n("mul", [x, n.const(-1)])]
    terms.append(n("mul", [n.const("-1/2"), n("pow", [x], 2)]))
    n("add", [*terms, n("mul", [n.const("-1/6"), n("pow", [x], 3)])])
    region = [["x", "-1", "1"]]
    tiny = "-1/1" + 60 * "0"
    assert "not negative" in witness(n, region, {"x": tiny}).reason
    negative = [*n, ["const", "-1"], ["mul", [len(n) - 1, len(n)]]]
    assert witness(negative, region, {"x": tiny}).accepted
    zero = Nodes()  # exp(log(x)) - x is 0: no precision tells
    x = zero("var", "x")
    zero("add", [zero("exp", [zero("log", [x])]), zero("mul", [zero.const(-1), x])])
    assert "undecided" in witness(zero, [["x", "1", "5"]], {"x": "3"}).reason
    root = [["var", "x"], ["sqrt", [0]], ["const", "-1"], ["add", [1, 2]]]
    assert not witness(root, WIDE, {"x": "-1"}).accepted


# --- whatever is given, no exception -------------------------------------------------------------

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["boxes", "manifest", "nonnegative", "x", "inf", "1/0", "var", "1/3"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@given(ANYTHING)
@settings(max_examples=100, deadline=None)
def test_arbitrary_data_never_raises(data):
    assert not replay(data).accepted


@given(st.sampled_from(sorted(ALL)), st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_proof_with_any_entry_replaced_never_raises(name, data):
    original = PROOFS[name]
    found = list(paths(original)) + [("parts", 0, key) for key in original["parts"][0]] + [HOW]
    path = data.draw(st.sampled_from(found))
    given_ = data.draw(ANYTHING)
    edited = changed(original, *path, to=lambda old: given_)
    assert not replay(edited).accepted or edited == original
    try:
        edited = sealed(edited)
    except (ValueError, TypeError, KeyError):
        return
    found = replay(edited)
    assert isinstance(found.reason, str) and "failed" not in found.reason
    assert found.accepted or (found.reason and "\n" not in found.reason)


PROOFS = {name: make() for name, make in ALL.items()}


def test_depth_and_size_are_rejected_not_suffered():
    data = PROOFS["exponential"]
    deep = {"kind": "manifest"}
    for _ in range(200):
        deep = {"kind": "factors", "factors": [deep]}
    assert not replay(sealed(changed(data, *HOW, to=deep))).accepted
    endless = copy.deepcopy(data)
    endless["parts"].append(endless)
    assert not replay(endless).accepted
    nodes = [["var", "x"], ["add", [0, 0]], ["pow", [1], 1000000], ["pow", [2], 1000000]]
    assert not one(nodes, WIDE, {"kind": "roots"}).accepted
    assert not one([["const", "1" * 5000]], WIDE, {"kind": "manifest"}).accepted
    for args in ([-1], [1], [True], [0.0], ["0"], [], [0, 0], 0, None):
        assert "node 1" in one([["var", "x"], ["exp", args]], WIDE, {"kind": "manifest"}).reason
    for text in ("1e9", "0.5", " 1", "1/0", "1_0", "١", "+1", "inf", ""):
        assert not one([["const", text]], WIDE, {"kind": "manifest"}).accepted, text


def test_strict_json_alone_is_read():
    text = json.dumps(saddle()).replace('"bound": 0.3', '"bound": NaN')
    assert "NaN" in text
    found = replay(json.loads(text))
    assert not found.accepted and "strict JSON" in found.reason


# --- independence --------------------------------------------------------------------------------


def test_the_replay_imports_nothing_of_the_search():
    allowed = ("sde_compare.regions.proof", "sde_compare.regions.replay", "flint", "numpy")
    assert len(list(FOLDER.glob("*.py"))) > 5
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                ok = name.startswith(allowed) or name.split(".")[0] in sys.stdlib_module_names
                assert ok, (path.name, name)
