"""Operators that take integers with their scales (QLinearConv and its kin), written as pairs around float ones.

Layout of inputs: https://onnx.ai/onnx/operators for those of the standard, onnxruntime/docs/ContribOperators.md for
those of `com.microsoft`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

_CONTRIBUTED = "com.microsoft"
Names = list[str]


@dataclass(slots=True, kw_only=True)
class _Writer:
    """Nodes in the place of one.

    Attributes:
        node: What is replaced.
        constants: Array per name of a constant of the graph.
        made: The nodes so far.
        new: Constants that they need.
    """

    node: onnx.NodeProto
    constants: dict[str, Any]
    made: list[onnx.NodeProto] = field(default_factory=list)
    new: dict[str, Any] = field(default_factory=dict)

    def name(self, suffix: str) -> str:
        """A name for a value of this node."""
        return f"{self.node.output[0]}/{suffix}"

    def real(self, names: Names, suffix: str, *, axis: int | None = None) -> str:
        """The real numbers of (integers, scale, zero point)."""
        import onnx

        made = onnx.helper.make_node("DequantizeLinear", [*names], [self.name(suffix)])
        scale = self.constants.get(names[1], self.new.get(names[1], np.zeros(1)))
        if axis is not None and scale.size > 1:
            made.attribute.append(onnx.helper.make_attribute("axis", axis))
        self.made.append(made)
        return str(made.output[0])

    def bias(self, name: str, first: str, second: str) -> str:
        """The real numbers of an int32 bias in steps of the product of two scales; empty where there is none."""
        if not name:
            return ""
        scale = np.asarray(self.constants[first] * self.constants[second], np.float32)
        scale_name = self.name("bias_scale")
        self.new[scale_name] = scale.reshape(-1) if scale.size > 1 else scale.reshape(())
        return self.real([name, scale_name], "bias", axis=0)

    def compute(self, operator: str, inputs: Names, result: Names, **attributes: Any) -> None:
        """The float operator, its result quantized with (scale, zero point), or float where there is no scale."""
        import onnx

        has_scale = bool(result and result[0])
        output = self.name("real") if has_scale else self.node.output[0]
        kept = {each.name: onnx.helper.get_attribute_value(each) for each in self.node.attribute}
        kept = {key: value for key, value in {**kept, **attributes}.items() if value is not None}
        self.made.append(onnx.helper.make_node(operator, inputs, [output], name=self.node.name, **kept))
        if has_scale:
            parts = [output, *(each for each in result if each)]
            self.made.append(onnx.helper.make_node("QuantizeLinear", parts, [self.node.output[0]]))


def _inputs(node: onnx.NodeProto, count: int) -> Names:
    return [*node.input, *[""] * max(count - len(node.input), 0)]


def _convolution(writer: _Writer) -> None:
    x, x_scale, x_point, w, w_scale, w_point, y_scale, y_point, bias = _inputs(writer.node, 9)
    parts = [writer.real([x, x_scale, x_point], "x"), writer.real([w, w_scale, w_point], "w", axis=0)]
    bias = writer.bias(bias, x_scale, w_scale)
    writer.compute("Conv", [*parts, bias] if bias else parts, [y_scale, y_point])


def _product(writer: _Writer) -> None:
    a, a_scale, a_point, b, b_scale, b_point, y_scale, y_point = _inputs(writer.node, 8)
    parts = [writer.real([a, a_scale, a_point], "a"), writer.real([b, b_scale, b_point], "b", axis=-1)]
    writer.compute("MatMul", parts, [y_scale, y_point])


def _gemm(writer: _Writer) -> None:
    a, a_scale, a_point, b, b_scale, b_point, c, y_scale, y_point = _inputs(writer.node, 9)
    is_turned = any(each.name == "transB" and each.i for each in writer.node.attribute)
    parts = [writer.real([a, a_scale, a_point], "a"), writer.real([b, b_scale, b_point], "b", axis=1 - is_turned)]
    bias = writer.bias(c, a_scale, b_scale)
    writer.compute("Gemm", [*parts, bias] if bias else parts, [y_scale, y_point])


def _pair(operator: str) -> Callable[[_Writer], None]:
    def write(writer: _Writer) -> None:
        a, a_scale, a_point, b, b_scale, b_point, y_scale, y_point = _inputs(writer.node, 8)
        parts = [writer.real([a, a_scale, a_point], "a"), writer.real([b, b_scale, b_point], "b")]
        writer.compute(operator, parts, [y_scale, y_point])

    return write


def _single(operator: str, **attributes: Any) -> Callable[[_Writer], None]:
    def write(writer: _Writer) -> None:
        x, x_scale, x_point, y_scale, y_point = _inputs(writer.node, 5)
        writer.compute(operator, [writer.real([x, x_scale, x_point], "x")], [y_scale, y_point], **attributes)

    return write


def _concatenation(writer: _Writer) -> None:
    y_scale, y_point, *rest = writer.node.input
    parts = [writer.real(rest[place : place + 3], f"x{place // 3}") for place in range(0, len(rest), 3)]
    writer.compute("Concat", parts, [y_scale, y_point])


def _plain(writer: _Writer) -> None:
    import onnx

    made = onnx.NodeProto()
    made.CopyFrom(writer.node)
    made.domain = ""
    writer.made.append(made)


# (domain, operator) -> how it is written
_WRITERS: dict[tuple[str, str], Callable[[_Writer], None]] = {
    ("", "QLinearConv"): _convolution,
    ("", "QLinearMatMul"): _product,
    (_CONTRIBUTED, "DequantizeLinear"): _plain,
    (_CONTRIBUTED, "QGemm"): _gemm,
    (_CONTRIBUTED, "QLinearAdd"): _pair("Add"),
    (_CONTRIBUTED, "QLinearAveragePool"): _single("AveragePool", channels_last=None),
    (_CONTRIBUTED, "QLinearConcat"): _concatenation,
    (_CONTRIBUTED, "QLinearGlobalAveragePool"): _single("GlobalAveragePool", channels_last=None),
    (_CONTRIBUTED, "QLinearLeakyRelu"): _single("LeakyRelu"),
    (_CONTRIBUTED, "QLinearMul"): _pair("Mul"),
    (_CONTRIBUTED, "QLinearSigmoid"): _single("Sigmoid"),
    (_CONTRIBUTED, "QLinearSoftmax"): _single("Softmax", opset=None),
    (_CONTRIBUTED, "QuantizeLinear"): _plain,
}


def without_qoperators(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, or a copy of it with pairs around float operators in the place of operators on integers.

    What has scales that are computed, or channels last, stays as it is.
    """
    import onnx

    kinds = {(_domain(node), node.op_type) for node in model.graph.node}
    if not kinds & set(_WRITERS):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in copy.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        write = _WRITERS.get((_domain(node), node.op_type))
        if write is None or not _can_be_written(node, constants):
            nodes.append(node)
            continue
        writer = _Writer(node=node, constants=constants)
        write(writer)
        nodes += writer.made
        copy.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in writer.new.items())
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def _domain(node: onnx.NodeProto) -> str:
    return "" if node.domain == "ai.onnx" else str(node.domain)


def _can_be_written(node: onnx.NodeProto, constants: dict[str, Any]) -> bool:
    """Whether scales of a product are constant and its channels lie where the standard has them."""
    scales = {"QLinearConv": (1, 4), "QGemm": (1, 4)}.get(node.op_type, ())
    has_scales = all(node.input[place] in constants for place in scales)
    return has_scales and not any(each.name == "channels_last" and each.i for each in node.attribute)
