"""The arguments by which a function is shown to be defined and >= 0, some made of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sde_compare.regions.replay import form
from sde_compare.regions.replay.boxes import check_boxes
from sde_compare.regions.replay.form import Node, Region, RejectedError, keyed, shown
from sde_compare.regions.replay.identity import check_identity
from sde_compare.regions.replay.roots import check_roots
from sde_compare.regions.replay.signs import ranges

DEEPEST = 50  # arguments inside arguments
KIND_KEYS = {
    "manifest": ("kind",),
    "roots": ("kind",),
    "factors": ("kind", "factors"),
    "terms": ("kind", "terms"),
    "identity": ("kind", "function", "proof"),
    "boxes": ("kind", "bound", "boxes"),
}


def function_of(spec: Any, region: Region) -> list[Node]:
    """Return the nodes of plain data that make its last one."""
    nodes = form.nodes(spec, region.names)
    return form.cone(nodes, len(nodes) - 1)


def check_nonnegative(
    nodes: Sequence[Node], region: Region, how: Any, kinds: list[str], depth: int
) -> tuple[int, int]:
    """Check that a function is defined and >= 0 on a region; return boxes and cuts."""
    if depth > DEEPEST:
        raise RejectedError(f"more than {DEEPEST} proofs inside one another")
    kind = how.get("kind") if isinstance(how, dict) else None
    if not isinstance(kind, str) or kind not in KIND_KEYS:
        raise RejectedError(f"kind must be one of {', '.join(KIND_KEYS)}, got {shown(kind)}")
    how = keyed(f"proof of kind {kind}", how, KIND_KEYS[kind])
    if kind not in kinds:
        kinds.append(kind)
    if kind == "manifest":
        certain = ranges(nodes, region)[-1]
        if certain is None or not certain.nonnegative:
            raise RejectedError("the rules of signs do not show it")
        return 0, 0
    if kind == "roots":
        check_roots(nodes, region)
        return 0, 0
    if kind == "boxes":
        return check_boxes(nodes, region, how["bound"], how["boxes"])
    if kind == "identity":
        other = function_of(how["function"], region)
        check_identity(nodes, other, region)
        return check_nonnegative(other, region, how["proof"], kinds, depth + 1)
    rule = "mul" if kind == "factors" else "add"
    if nodes[-1][0] != rule:
        raise RejectedError(f"{kind}: the last node is {nodes[-1][0]}, not {rule}")
    inner, args = how[kind], nodes[-1][1]
    if not isinstance(inner, list) or len(inner) != len(args):
        raise RejectedError(f"{kind} must be {len(args)} proofs, got {shown(inner)}")
    boxes = cuts = 0
    for k, (arg, one) in enumerate(zip(args, inner, strict=True)):
        try:
            more = check_nonnegative(form.cone(list(nodes), arg), region, one, kinds, depth + 1)
        except RejectedError as problem:
            raise RejectedError(f"{kind[:-1]} {k}: {problem}") from None
        boxes, cuts = boxes + more[0], cuts + more[1]
    return boxes, cuts
