"""Sequences of tensors, and values that may be absent: both are resolved while the net is built.

TFLite has tensors only. A sequence whose positions and lengths are constant is a list of them, and nothing is left of
it in the net.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.carrying import carried_view
from edgeopt.steps.tflite.families.joining import joined_views
from edgeopt.steps.tflite.families.slicing import Span, cut, whole
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View


def construct(node: Node, net: Lowering) -> None:
    """SequenceConstruct and SequenceEmpty."""
    net.sequences[node.output(0)] = tuple(net.view(name) for name in node.inputs)


def at(node: Node, net: Lowering) -> None:
    """SequenceAt."""
    elements = _elements(net, node.input(0))
    net.bind_view(node.output(0), elements[_position(net, len(elements))])


def insert(node: Node, net: Lowering) -> None:
    """SequenceInsert, at the end by default."""
    elements = list(_elements(net, node.input(0)))
    place = _position(net, len(elements), 2, end=1) if node.input(2) else len(elements)
    elements.insert(place, net.view(node.input(1)))
    net.sequences[node.output(0)] = tuple(elements)


def erase(node: Node, net: Lowering) -> None:
    """SequenceErase, the last element by default."""
    elements = list(_elements(net, node.input(0)))
    del elements[_position(net, len(elements)) if node.input(1) else -1]
    net.sequences[node.output(0)] = tuple(elements)


def length(node: Node, net: Lowering) -> None:
    """SequenceLength: a constant."""
    count = np.array(len(_elements(net, node.input(0))), np.int64)
    net.bind(node.output(0), net.new_constant(count, name=node.output(0)))


def split(node: Node, net: Lowering) -> None:
    """SplitToSequence: a SLICE for each element that something takes."""
    view = carried_view(net, node.input(0))
    axis = int(node.attribute("axis", 0)) % view.rank
    given = net.optional_constant(1, "split")
    parts: list[View] = []
    begin = 0
    for size in _lengths(view.shape[axis], given):
        spans = [whole(each) for each in view.shape]
        spans[axis] = Span(start=begin, step=1, length=size)
        begin += size
        part = cut(net, view, spans)
        if given is None and not node.attribute("keepdims", 1):
            part = net.reshaped(part, (*part.shape[:axis], *part.shape[axis + 1 :]))
        parts.append(part)
    net.sequences[node.output(0)] = tuple(parts)


def _lengths(total: int, given: NDArray[Any] | None) -> list[int]:
    """Lengths of parts (https://onnx.ai/onnx/operators/onnx__SplitToSequence.html): each 1, equal, or as given."""
    if given is not None and given.ndim:
        return [int(each) for each in given]
    size = 1 if given is None else int(given)
    return [min(size, total - begin) for begin in range(0, total, size)]


def concat(node: Node, net: Lowering) -> None:
    """ConcatFromSequence: CONCATENATION, of axes of their own where `new_axis` is set."""
    elements = list(_elements(net, node.input(0)))
    if not elements:
        raise Refused("joins a sequence of no elements")
    is_new = bool(node.attribute("new_axis", 0))
    axis = int(node.attribute("axis", 0)) % (elements[0].rank + is_new)
    if is_new:
        elements = [net.reshaped(each, (*each.shape[:axis], 1, *each.shape[axis:])) for each in elements]
    views = [net.unflattened(each) for each in elements]
    net.bind_view(node.output(0), joined_views(net, views, axis, net.wanted(node.output(0))))


def optional(node: Node, net: Lowering) -> None:
    """Optional and OptionalGetElement of a value that is there: that value."""
    if not node.input(0):
        raise Refused("is of a value that is absent, and TFLite has tensors only")
    if node.input(0) in net.sequences:
        net.sequences[node.output(0)] = net.sequences[node.input(0)]
    else:
        net.bind_view(node.output(0), net.view(node.input(0)))


def has_element(node: Node, net: Lowering) -> None:
    """OptionalHasElement: a constant."""
    if node.input(0) and node.input(0) not in net.sequences:
        net.view(node.input(0))  # refuses an input of the model that may be absent
    net.bind(node.output(0), net.new_constant(np.array(bool(node.input(0))), name=node.output(0)))


def _elements(net: Lowering, name: str) -> tuple[View, ...]:
    if name not in net.sequences:
        raise Refused(
            f"takes the sequence `{name}`, which the model is given or makes in a loop, and TFLite has tensors only",
            rewrite="tensors in place of the sequence",
        )
    return net.sequences[name]


def _position(net: Lowering, count: int, place: int = 1, *, end: int = 0) -> int:
    """A constant position in a sequence of `count`, counted from its start; `end` more are behind it."""
    position = int(net.required_constant(place, "position").reshape(-1)[0])
    if not -count <= position < count + end:
        raise Refused(f"takes element {position} of a sequence of {count}")
    return position + count if position < 0 else position
