"""An ONNX model lowered to a TFLite net, or refused with every node that stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

from edgeopt.steps.tflite.beyond import refusal_of
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Net, Quantization, Tensor
from edgeopt.steps.tflite.operators import OPERATORS, Writer
from edgeopt.steps.tflite.refusal import Refusal, Refused, refused_together
from edgeopt.steps.tflite.source import Node, Source, ValueType, source_from_model
from edgeopt.steps.tflite.view import View

if TYPE_CHECKING:
    import onnx

_NAMED = 3  # things that a warning names before it counts the rest
MOST_AXES = 8
MOST_ELEMENTS = 2**31 - 1  # lengths in the file, and offsets in kernels, are int32
_NO_TENSORS = frozenset({"map", "optional", "sequence", "sparse_tensor"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """A net and where the values of the ONNX graph lie in it.

    Attributes:
        net: The TFLite graph.
        views: View per name of a value, but those that a fused activation overtook.
        noted: What values are quantized with that the source has as real numbers.
        warnings: What the user should know.
    """

    net: Net
    views: dict[str, View] = field(default_factory=dict)
    noted: dict[str, Quantization] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def lowered(model: onnx.ModelProto, *, where: str) -> Lowered:
    """The net that computes what `model` computes.

    Args:
        model: A model with its data in memory and no free axes.
        where: What to call it in an error.

    Raises:
        Unsupported: Nodes of it have no counterpart in TFLite; all of them are told.
    """
    source = source_from_model(model)
    too_large = _too_large(source)
    if too_large:
        raise refused_together(too_large, where=where)
    net = Lowering(source)
    refusals = [*_odd_inputs(source, net), *_written(source, net)]
    if not refusals:
        try:
            net.give_outputs()
        except Refused as refused:
            refusals = [Refusal(node=net.node.name, operator="output", reason=refused.reason)]
    if refusals:
        raise refused_together(refusals, where=where)
    net.net.drop_dead()
    renamed = net.net.name_boundary()
    views = {
        name: replace(view, tensor=renamed.get(view.tensor, view.tensor))
        for name, view in net.views.items()
        if name not in net.overtaken
    }
    return Lowered(net=net.net, views=views, noted=net.noted, warnings=_told_together(net.warnings))


def _told_together(warnings: Mapping[str, Mapping[str, None]]) -> tuple[str, ...]:
    """One sentence per kind of warning, which names the first things that it is true of."""
    told = []
    for text, about in warnings.items():
        left = len(about) - _NAMED
        shown = ", ".join(list(about)[:_NAMED])
        told.append(f"{text}: {shown}{f' and {left} more' if left > 0 else ''}")
    return tuple(told)


def _too_large(source: Source) -> list[Refusal]:
    """Inputs of more axes, and values of more elements, than TFLite's kernels take."""
    refusals = []
    for name, type_ in source.types.items():
        reason, shape = "", type_.shape or ()
        if max((prod(shape), *shape)) > MOST_ELEMENTS:  # a length may stand beside one of 0
            reason = f"has {max((prod(shape), *shape)):,} elements, and TFLite's kernels count them in 31 bits"
        elif len(shape) > MOST_AXES and name in source.inputs:
            reason = f"has {len(shape)} axes, and TFLite knows {MOST_AXES}"
        if reason:
            operator = source.makers[name].operator if name in source.makers else "input"
            refusals.append(Refusal(node=name, operator=operator, reason=reason, rewrite="a smaller input"))
    return refusals


def _odd_inputs(source: Source, net: Lowering) -> list[Refusal]:
    """Inputs that are no tensors of numbers with a known shape."""
    told = {name: source.types[name] for name in source.inputs if name not in net.net.inputs}
    return [
        Refusal(
            node=name,
            operator="input",
            reason=_oddity(type_),
        )
        for name, type_ in told.items()
    ]


def _oddity(type_: ValueType) -> str:
    if type_.dtype in _NO_TENSORS:
        return f"is of the kind `{type_.dtype}`, and TFLite has tensors only"
    return "has no fixed shape" if type_.shape is None else f"is `{type_.dtype}`, which TFLite has no numbers for"


def _written(source: Source, net: Lowering) -> list[Refusal]:
    """Write every node; those that cannot be. A node behind a refused one is tried with a stand-in of its shape."""
    refusals: list[Refusal] = []
    stand_ins: set[str] = set()
    for node in source.nodes:
        net.node = node
        try:
            _write(node, net)
        except Refused as refused:
            is_follower = any(name and not net.is_bound(name) for name in node.inputs)
            if not is_follower:
                refusals.append(
                    Refusal(node=node.name, operator=_told(node), reason=refused.reason, rewrite=refused.rewrite)
                )
            stand_ins.update(_stand_in(node, net))
    return refusals


def _write(node: Node, net: Lowering) -> None:
    if net.is_absorbed(node):
        if not net.is_bound(node.output(0)):
            net.bind_view(node.output(0), net.view(node.input(0)))
        return
    writer_of(node)(node, net)


def writer_of(node: Node) -> Writer:
    """The writer of a node's operator.

    Raises:
        Refused: There is none.
    """
    operator = OPERATORS.get(node.operator) if not node.domain else None
    if operator is None:
        raise refusal_of(node)
    return operator.load()


def _told(node: Node) -> str:
    return f"{node.domain}.{node.operator}" if node.domain else node.operator


def _stand_in(node: Node, net: Lowering) -> list[str]:
    """Bind outputs of a refused node to tensors of their shapes, so that what follows is judged by itself."""
    made: list[str] = []
    for name in node.outputs:
        told: Any = net.source.types.get(name)
        if name and told is not None and told.shape is not None and not net.is_bound(name):
            tensor = Tensor(name=net.unique(name), shape=told.shape, dtype=told.dtype)
            net.bind(name, tensor)
            made.append(name)
    return made
