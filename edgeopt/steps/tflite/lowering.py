"""A net built node by node: what writers of operators read values with and add operations to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.net import UNKNOWN, Net, Operation, Options, Quantization, Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node, Source, ValueType
from edgeopt.steps.tflite.view import (
    Axes,
    Regrouping,
    Shape,
    View,
    axis_after,
    collapsed,
    is_same_order,
    permuted,
    regrouping,
)

# Element types of ONNX that are held in another one, which takes each of their values.
STORED_AS: Mapping[str, str] = {"float16": "float32", "bfloat16": "float32"}
_MOST_AXES = 5  # of a TRANSPOSE that is left as it is: XNNPACK has 6, TFLite Micro 5
_NATIVE = frozenset(
    ("float32", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "float64")
)
_RESHAPING = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten"})
# A fused activation, per operator: (lowest, highest) value that it lets through.
_BOUNDS: Mapping[tuple[float | None, float | None], str] = {
    (0.0, None): "RELU",
    (0.0, 6.0): "RELU6",
    (-1.0, 1.0): "RELU_N1_TO_1",
}
# Operators that TFLite has in int8 with no scale to be chosen: they keep that of their input, or have one of their own.
_KEEPING_INTEGERS = frozenset(
    ("Clip", "Dropout", "Flatten", "Identity", "LogSoftmax", "MaxPool", "Relu", "Reshape", "Sigmoid", "Slice")
) | {"Softmax", "Split", "Squeeze", "Tanh", "Transpose", "Unsqueeze"}

_INT8 = np.iinfo(np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What comes right behind a node and can be done by its operation.

    Attributes:
        activation: Name in the schema's ActivationFunctionType.
        quantization: What the result is quantized with; None where it stays float.
        absorbed: Nodes that are done with it.
        passed: Nodes between that only reshape, and are written as ever.
    """

    activation: str = "NONE"
    quantization: Quantization | None = None
    absorbed: tuple[Node, ...] = ()
    passed: tuple[Node, ...] = ()


class Lowering:
    """The net that a source becomes.

    Writers of operators get it beside their node. They read values as views, tensors or constants, add operations, and
    bind the node's outputs.

    Attributes:
        source: The ONNX graph.
        net: What has been built.
        node: The node that is being written.
        views: How each value lies.
        sequences: Elements of each sequence of tensors, which is one only while the net is built.
        overtaken: Names of values that are nowhere, since the operation that makes them does an activation too; their
            views are those of what comes behind it.
        noted: What values are quantized with that the source has as real numbers: a calibration noted their ranges.
        warnings: What the user should know, each once.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.net = Net()
        self.node: Node = _NOBODY
        self.views: dict[str, View] = {}
        self.sequences: dict[str, tuple[View, ...]] = {}
        self.overtaken: set[str] = set()
        self.noted: dict[str, Quantization] = {}
        self.warnings: dict[str, None] = {}
        self._names: set[str] = set()
        self._numbers: dict[str, int] = {}  # next number to try per name: recurrent layers have thousands of one name
        self._laid: dict[tuple[Tensor, Axes], Tensor] = {}
        self._sources: dict[Tensor, Tensor] = {}
        self._real: dict[Tensor, Tensor] = {}
        self._absorbed: set[Node] = set()
        for name in source.inputs:
            self._take_input(name)

    # values

    def view(self, name: str) -> View:
        """How the value called `name` lies.

        Raises:
            Refused: It is of a type that TFLite has not, or of a length that its data tell.
        """
        if name not in self.views:
            if name in self.sequences:
                raise Refused(f"hands on the sequence `{name}`, and TFLite has tensors only")
            if name not in self.source.constants:
                raise Refused(f"reads `{name}`, which nothing makes")
            self.views[name] = self._constant_view(name)
        view = self.views[name]
        if UNKNOWN in view.tensor.shape:
            raise Refused(
                f"reads `{name}`, which has as many elements as its data say",
                rewrite="make that an output of the model, and compute what follows outside",
            )
        return view

    def is_bound(self, name: str) -> bool:
        """Whether the value called `name` has been made, or is constant."""
        return name in self.views or name in self.source.constants or name in self.sequences

    def constant(self, name: str) -> NDArray[Any] | None:
        """Value called `name` as ONNX has it where it is constant, else None; real numbers of a quantized one."""
        if name in self.source.constants:
            return self.source.constants[name]
        view = self.views.get(name)
        if view is None or view.tensor.data is None:
            return None
        return constant_value(view)

    def required_constant(self, position: int, what: str) -> NDArray[Any]:
        """Input `position` of the node, which must be constant.

        Raises:
            Refused: It is computed by the model.
        """
        value = self.constant(self.node.input(position))
        if value is None:
            raise Refused(
                f"its {what} is computed while the model runs", rewrite="make it a constant, or fix all input shapes"
            )
        return value

    def optional_constant(self, position: int, what: str) -> NDArray[Any] | None:
        """Input `position` of the node, constant, or None where it is left out."""
        return self.required_constant(position, what) if self.node.input(position) else None

    def type_of(self, name: str) -> ValueType:
        """Type of the value called `name`: that of its view, else what inference says."""
        if self.is_bound(name) and name not in self.sequences:
            view = self.view(name)
            return ValueType(shape=view.shape, dtype=view.dtype)
        return self.source.types.get(name, ValueType(shape=None, dtype="unknown"))

    def shape(self, name: str) -> Shape:
        """Shape of the value called `name`.

        Raises:
            Refused: It cannot be told before the model runs.
        """
        shape = self.type_of(name).shape
        if shape is None:
            raise Refused(f"the shape of `{name}` is not known before the model runs", rewrite="fix all input shapes")
        return shape

    def dtype(self, name: str) -> str:
        """Element type of the value called `name`, NumPy's name."""
        return self.type_of(name).dtype

    # tensors

    def tensor(self, value: str | View, axes: Axes | None = None) -> Tensor:
        """The tensor of a value as numbers (not what integers stand for) with its axes in the order `axes`.

        Args:
            value: Name of a value, or its view.
            axes: Logical axis per memory axis; as ONNX has them by default.
        """
        view = self.view(value) if isinstance(value, str) else value
        if view.is_quantized and view.tensor.data is None and view.tensor not in self._real:
            view = self.unflattened(view)  # integers are a quarter of the bytes to move
            order = tuple(range(view.rank)) if axes is None else axes
            view = replace(view, tensor=self.laid(view, order), axes=order)
        return self.laid(self.numbers(view), axes)

    def laid(self, view: View, axes: Axes | None = None) -> Tensor:
        """The tensor of `view`, quantized or not, with its axes in the order `axes`; transposed where it must be."""
        view = self.unflattened(view)
        wanted = tuple(range(view.rank)) if axes is None else axes
        if view.axes == wanted:
            return view.tensor
        key = (view.tensor, (*view.axes, *wanted))
        if key not in self._laid:
            self._laid[key] = self._transposed(view, wanted)
        return self._laid[key]

    def numbers(self, view: View) -> View:
        """`view` as numbers: dequantized where its integers stand for real ones, unsigned where they lie 128 lower."""
        if not view.is_quantized:
            is_lower = view.dtype == "uint8" and view.tensor.dtype == "int8"
            return replace(view, tensor=self._raised(view.tensor)) if is_lower else view
        if view.tensor not in self._real:
            self._real[view.tensor] = self._dequantized(view.tensor)
        return replace(view, tensor=self._real[view.tensor], is_quantized=False)

    def unflattened(self, view: View) -> View:
        """`view` with a flattening that waits done."""
        if not view.flattened:
            return view
        shape = view.shape
        plain = replace(view, flattened=False)
        ready = self.laid(plain, tuple(range(plain.rank)))
        return replace(view, tensor=self.reshape(ready, shape), axes=(0, 1), flattened=False)

    def reshaped(self, view: View, shape: Shape) -> View:
        """`view` as the value of another shape, with as much of its order kept as can be."""
        view = self.unflattened(view)
        how: Regrouping = regrouping(view, shape)
        before = view.axes if is_same_order(view.axes, how.before, view.shape) else how.before
        lengths = permuted(shape, how.after)
        if view.is_quantized and _quantized_as(self.laid(view, before), lengths) is None:
            view = self.numbers(view)  # its scales run along an axis that is no more
        return replace(view, tensor=self.reshape(self.laid(view, before), lengths), axes=how.after)

    def reshape(self, tensor: Tensor, shape: Shape) -> Tensor:
        """`tensor` with other lengths of its memory axes and the same order of elements: one RESHAPE, or none."""
        tensor = self.unreshaped(tensor)
        if tensor.shape == shape:
            return tensor
        if tensor.data is not None:
            quantization = _quantized_as(tensor, shape)
            return self.new_constant(
                tensor.data.reshape(shape), name=tensor.name, dtype=tensor.dtype, quantization=quantization
            )
        lengths = self.new_constant(np.array(shape, np.int32), name="shape")
        made = self.add(
            "RESHAPE",
            (tensor, lengths),
            shape,
            dtype=tensor.dtype,
            quantization=tensor.quantization,
            options=options("ReshapeOptions", newShape=np.array(shape, np.int32)),
        )
        self._sources[made] = tensor
        return made

    def unreshaped(self, tensor: Tensor) -> Tensor:
        """What `tensor` is a reshaped form of; itself where it is none."""
        return self._sources.get(tensor, tensor)

    def new_constant(
        self,
        data: NDArray[Any],
        *,
        name: str = "",
        dtype: str = "",
        quantization: Quantization | None = None,
        like: Tensor | None = None,
    ) -> Tensor:
        """A constant tensor with the values `data`, in memory order.

        Args:
            data: Its values.
            name: What to call it; else after the node.
            dtype: Its element type where that is not the array's own, as for `int4`.
            quantization: What its integers stand for.
            like: A tensor that it takes name, dtype and quantization of.
        """
        if like is not None:
            name, dtype, quantization = like.name, like.dtype, like.quantization
        data = data.astype(STORED_AS.get(str(data.dtype), data.dtype))
        return Tensor(
            name=self.unique(name or f"{self.node.name}/constant"),
            shape=tuple(data.shape),
            dtype=dtype or str(data.dtype),
            data=data,
            quantization=quantization,
        )

    def scalar(self, value: float, dtype: str = "float32") -> Tensor:
        """A constant of no axes."""
        return self.new_constant(np.array(value, dtype), name="scalar")

    # operations

    def add(
        self,
        kind: str,
        inputs: Sequence[Tensor | None],
        shape: Shape,
        *,
        dtype: str = "",
        quantization: Quantization | None = None,
        options: Options | None = None,
        name: str = "",
    ) -> Tensor:
        """Add an operation with one output, and give that.

        Args:
            kind: Name in the schema's BuiltinOperator.
            inputs: What it reads.
            shape: Shape of what it makes, in memory order.
            dtype: Its element type; that of the first input by default.
            quantization: What its integers stand for.
            options: Attributes of the operation.
            name: What to call the output; else after the node's first output.
        """
        first = inputs[0]
        dtype = dtype or (first.dtype if first is not None else "float32")
        result = self.new_tensor(shape, dtype=dtype, quantization=quantization, name=name)
        self.add_operation(kind, inputs, (result,), options=options)
        return result

    def add_operation(
        self, kind: str, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor], *, options: Options | None = None
    ) -> None:
        """Add an operation that makes `outputs`, which `new_tensor` gave."""
        self.net.operations.append(
            Operation(kind=kind, inputs=tuple(inputs), outputs=tuple(outputs), options=options, node=self.node.name)
        )

    def new_tensor(
        self, shape: Shape, *, dtype: str, quantization: Quantization | None = None, name: str = ""
    ) -> Tensor:
        """A tensor that an operation is to make."""
        name = name or next((each for each in self.node.outputs if each), self.node.name)
        return Tensor(
            name=self.unique(name),
            shape=tuple(int(length) for length in shape),
            dtype=STORED_AS.get(dtype, dtype),
            quantization=quantization,
        )

    def bind(self, name: str, tensor: Tensor, axes: Axes | None = None, *, is_quantized: bool = False) -> None:
        """Say that the value called `name` lies in `tensor`, in the order `axes`; in ONNX's own by default."""
        axes = tuple(range(len(tensor.shape))) if axes is None else axes
        dtype = self.source.types[name].dtype if name in self.source.types else tensor.dtype
        if is_quantized or dtype == "unknown":
            dtype = "float32" if is_quantized else tensor.dtype
        self.bind_view(name, View(tensor=tensor, axes=axes, dtype=dtype, is_quantized=is_quantized))

    def bind_view(self, name: str, view: View) -> None:
        """Say how the value called `name` lies.

        Raises:
            Refused: It has another shape than inference says, which is a fault of a writer: better none than a wrong
                answer.
        """
        told = self.source.types.get(name, ValueType(shape=None, dtype="unknown")).shape
        if told is not None and not _may_be(view.shape, told):
            raise Refused(f"makes `{name}` of shape {view.shape} where ONNX says {told}")
        if name:
            self.views[name] = view

    def unique(self, name: str) -> str:
        """`name`, or it with a number, so that no two tensors share one."""
        candidate, number = name, self._numbers.get(name, 1)
        while candidate in self._names:
            candidate, number = f"{name}_{number}", number + 1
        self._numbers[name] = number
        self._names.add(candidate)
        return candidate

    # what comes behind a node

    def ending(self, name: str, *, activations: bool = True, quantized: bool = True) -> Ending:
        """What comes right behind the value called `name` and can be done with what makes it.

        Args:
            name: An output of the node.
            activations: Whether its operation can do an activation.
            quantized: Whether it can give integers: its inputs are quantized.
        """
        found = Ending()
        passed, reader = self._behind_reshapes(name)
        if quantized and activations and reader is not None and (limits := self._limits(reader)) is not None:
            clamped = self.wanted(reader.output(0))
            if clamped is not None and _clamps(clamped, limits):  # the range of the integers does what the node says
                return Ending(quantization=clamped, absorbed=(reader,), passed=passed)
        bounds = self._activation(reader) if reader is not None and activations else ""
        if reader is not None and bounds:
            found, name = Ending(activation=bounds, absorbed=(reader,), passed=passed), reader.output(0)
        quantization = self.wanted(name) if quantized else None
        if quantized and quantization is None:
            return Ending()
        return replace(found, quantization=quantization)

    def _behind_reshapes(self, name: str) -> tuple[tuple[Node, ...], Node | None]:
        """(nodes that only reshape the value called `name`, the only reader of what they give)."""
        passed: list[Node] = []
        reader = self.source.only_reader(name)
        while reader is not None and reader.operator in _RESHAPING and not reader.domain and reader.input(0) == name:
            passed.append(reader)
            name = reader.output(0)
            reader = self.source.only_reader(name)
        return tuple(passed), reader

    def warn(self, text: str) -> None:
        """Tell the user something of the conversion, once."""
        self.warnings[text] = None

    def absorb(self, ending: Ending) -> None:
        """Note that the nodes of `ending` are done."""
        self._absorbed.update(ending.absorbed)
        if ending.absorbed:
            self.overtaken.update(each.output(0) for each in (self.node, *ending.absorbed[:-1], *ending.passed))

    def is_absorbed(self, node: Node) -> bool:
        """Whether the operation of an earlier node does what `node` does."""
        return node in self._absorbed

    def is_end(self, name: str) -> bool:
        """Whether the value called `name` is an output that nothing else reads.

        An activation there whose int8 kernel has a scale of its own ends a model of integers in integers.
        """
        return name in self.source.outputs and not self.source.readers.get(name)

    def wanted(self, name: str) -> Quantization | None:
        """What all readers of the value called `name` quantize it with, alike; else what a calibration noted of it.

        None where a reader takes it as it is, and nothing is noted or real numbers are wanted further on.
        """
        readers = self.source.readers.get(name, ())
        found = {self._quantization_of(reader) if reader.input(0) == name else None for reader in readers}
        if len(found) == 1 and None not in found and name not in self.source.outputs:
            return found.pop()
        noted = self.source.ranges.get(name)
        if noted is None or not self._ends_in_integers(name):
            return None
        self.noted[name] = spanning(*noted)
        return self.noted[name]

    def _ends_in_integers(self, name: str) -> bool:
        """Whether all that becomes of a value up to outputs of the model can be done in int8.

        Elsewhere real numbers are wanted at once, and a rounding between would be for nothing: a vision transformer
        whose products all rounded theirs lost 3.6 dB, and ran at half the speed.
        """
        readers = self.source.readers.get(name, ())
        if not readers:
            return name in self.source.outputs
        return all(
            reader.operator in _KEEPING_INTEGERS
            and reader.input(0) == name
            and self._ends_in_integers(reader.output(0))
            for reader in readers
        )

    def _quantization_of(self, node: Node) -> Quantization | None:
        if node.operator != "QuantizeLinear" or self.dtype(node.output(0)) not in ("int8", "uint8"):
            return None
        found = quantization_of(self, node)
        return found if found is not None and found.is_per_tensor else None

    def _activation(self, node: Node) -> str:
        limits = self._limits(node)
        return "" if limits is None else _BOUNDS.get(limits, "")

    def _limits(self, node: Node) -> tuple[float | None, float | None] | None:
        """(lowest, highest) that a Relu or Clip lets through, None for no bound; None for what is neither."""
        if node.operator == "Relu":
            return 0.0, None
        if node.operator != "Clip":
            return None
        bounds = [self.constant(node.input(place)) if node.input(place) else None for place in (1, 2)]
        if any(node.input(place) and bounds[place - 1] is None for place in (1, 2)):
            return None
        given = [
            node.attribute(name) if bound is None else float(bound.reshape(-1)[0])  # attributes are those of opset 6
            for name, bound in zip(("min", "max"), bounds, strict=True)
        ]
        lowest, highest = (None if each is None or not np.isfinite(each) else float(each) for each in given)
        return lowest, highest

    # inside

    def _take_input(self, name: str) -> None:
        told = self.source.types[name]
        shape = told.shape
        if shape is None or told.dtype not in {*_NATIVE, *STORED_AS}:
            return  # the workflow refuses free axes and odd types before; readers of it say that nothing makes it
        tensor = Tensor(name=self.unique(name), shape=shape, dtype=told.dtype)
        self.net.inputs[name] = tensor
        stored = tensor
        if told.dtype in STORED_AS:
            stored = self.cast(tensor, STORED_AS[told.dtype])
        self.views[name] = View(tensor=stored, axes=tuple(range(len(shape))), dtype=told.dtype)

    def give_outputs(self) -> None:
        """Make the outputs of the source outputs of the net, as ONNX has them."""
        for name in self.source.outputs:
            view = self.views.get(name) or self.view(name)
            self.node = replace(_NOBODY, name=name, outputs=(name,))
            if not view.tensor.elements and view.tensor.data is not None:
                self.net.outputs[name] = self._empty(view)
                continue
            tensor = self.tensor(view)
            if view.dtype in STORED_AS:
                tensor = self.cast(tensor, view.dtype)
            if tensor.data is not None or tensor in self.net.inputs.values() or tensor in self.net.outputs.values():
                tensor = self.copied(tensor)
            self.net.outputs[name] = tensor

    def cast(self, tensor: Tensor, dtype: str) -> Tensor:
        """`tensor` as numbers of another type."""
        if tensor.dtype == dtype:
            return tensor
        if tensor.data is not None and dtype not in STORED_AS:
            return self.new_constant(tensor.data.astype(dtype), name=tensor.name)
        return self.cast_in_graph(tensor, dtype)

    def cast_in_graph(self, tensor: Tensor, dtype: str) -> Tensor:
        """`tensor` as numbers of another type, by an operation even where it is constant."""
        result = Tensor(name=self.unique(f"{tensor.name}/{dtype}"), shape=tensor.shape, dtype=dtype)
        codes = {"inDataType": tensor.dtype, "outDataType": dtype}
        self.add_operation("CAST", (tensor,), (result,), options=Options(table="CastOptions", values=codes))
        return result

    def copied(self, tensor: Tensor) -> Tensor:
        """Another tensor with the same values: a runtime wants an output to be made by an operation of its own."""
        source = tensor
        lengths = self.new_constant(np.array(tensor.shape, np.int32), name="shape")
        return self.add(
            "RESHAPE", (source, lengths), tensor.shape, dtype=tensor.dtype, options=options("ReshapeOptions")
        )

    def _empty(self, view: View) -> Tensor:
        """A tensor of no elements, made by FILL: one without bytes is no constant in a file."""
        lengths = self.new_constant(np.array(view.shape, np.int32), name="shape")
        made = Tensor(name=self.unique(self.node.name), shape=view.shape, dtype=view.dtype)
        value = Tensor(name=self.unique("scalar"), shape=(), dtype=view.dtype, data=np.zeros((), np.dtype(view.dtype)))
        self.add_operation("FILL", (lengths, value), (made,), options=options("FillOptions"))
        return made

    def _constant_view(self, name: str) -> View:
        value = self.source.constants[name]
        dtype = str(value.dtype)
        if dtype == "float64":
            narrow = value.astype(np.float32)
            if not np.array_equal(narrow.astype(np.float64), value, equal_nan=True):
                raise Refused(f"constant `{name}` is float64 and not exact in float32")
            value = narrow
        elif dtype not in {*_NATIVE, *STORED_AS}:
            raise Refused(f"constant `{name}` is `{dtype}`, which TFLite has no numbers for")
        tensor = self.new_constant(value, name=name)
        return View(tensor=tensor, axes=tuple(range(value.ndim)), dtype=dtype)

    def _transposed(self, view: View, wanted: Axes) -> Tensor:
        shape = permuted(view.shape, wanted)
        order = tuple(view.axes.index(axis) for axis in wanted)
        tensor = view.tensor
        quantization = tensor.quantization
        if quantization is not None and not quantization.is_per_tensor:
            quantization = replace(quantization, axis=order.index(quantization.axis))
        if is_same_order(view.axes, wanted, view.shape):
            if quantization != tensor.quantization:
                assert tensor.data is not None  # scales per channel are those of constants alone
                return self.new_constant(tensor.data.reshape(shape), name=tensor.name, quantization=quantization)
            return self.reshape(tensor, shape)
        if tensor.data is not None:
            data = np.ascontiguousarray(tensor.data.transpose(order))
            return self.new_constant(data, name=tensor.name, dtype=tensor.dtype, quantization=quantization)
        lengths, few = (tensor.shape, order) if len(order) <= _MOST_AXES else collapsed(tensor.shape, order)
        permutation = self.new_constant(np.array(few, np.int32), name="permutation")
        made = self.add(
            "TRANSPOSE",
            (self.reshape(tensor, lengths), permutation),
            permuted(lengths, few),
            dtype=tensor.dtype,
            quantization=quantization,
            options=options("TransposeOptions"),
            name=tensor.name,
        )
        return self.reshape(made, shape)

    def _dequantized(self, tensor: Tensor) -> Tensor:
        if tensor.data is not None:
            return self.new_constant(real_numbers(tensor), name=tensor.name)
        return self.add(
            "DEQUANTIZE",
            (tensor,),
            tensor.shape,
            dtype="float32",
            options=options("DequantizeOptions"),
            name=tensor.name,
        )

    def _raised(self, tensor: Tensor) -> Tensor:
        """The unsigned integers that a tensor of int8 holds 128 lower."""
        assert tensor.quantization is not None
        if tensor.data is not None:
            return self.new_constant((tensor.data.astype(np.int16) + 128).astype(np.uint8), name=tensor.name)
        points = tuple(point + 128 for point in tensor.quantization.zero_points)
        quantization = replace(tensor.quantization, zero_points=points)
        return self.add(
            "QUANTIZE",
            (tensor,),
            tensor.shape,
            dtype="uint8",
            quantization=quantization,
            options=options("QuantizeOptions"),
            name=tensor.name,
        )


def _quantized_as(tensor: Tensor, shape: Shape) -> Quantization | None:
    """What the integers of `tensor` stand for in another shape; None where that cannot be said, or nothing."""
    quantization = tensor.quantization
    if quantization is None or quantization.is_per_tensor:
        return quantization
    axis = axis_after(tensor.shape, quantization.axis, shape)
    return None if axis is None else replace(quantization, axis=axis)


def _may_be(shape: Shape, told: Shape) -> bool:
    """Whether a shape can be the one that is told: lengths that the data tell can be any."""
    return len(shape) == len(told) and all(
        length in (UNKNOWN, wanted) for length, wanted in zip(shape, told, strict=True)
    )


def real_numbers(tensor: Tensor) -> NDArray[np.float32]:
    """(shape) float32 numbers that the integers of a constant tensor stand for."""
    assert tensor.data is not None
    assert tensor.quantization is not None
    along = [1] * len(tensor.shape)
    if not tensor.quantization.is_per_tensor:
        along[tensor.quantization.axis] = -1
    scales = np.array(tensor.quantization.scales, np.float32).reshape(along)
    zero_points = np.array(tensor.quantization.zero_points, np.int32).reshape(along)
    return ((tensor.data.astype(np.int32) - zero_points) * scales).astype(np.float32)


def constant_value(view: View) -> NDArray[Any]:
    """The value of a constant view as ONNX has it."""
    assert view.tensor.data is not None
    data = real_numbers(view.tensor) if view.is_quantized else view.tensor.data
    logical = data.transpose([view.axes.index(axis) for axis in range(len(view.axes))])
    return logical.reshape(view.shape)


def quantization_of(net: Lowering, node: Node) -> Quantization | None:
    """Scale and zero point of a QuantizeLinear or DequantizeLinear with constant ones, for int8 or int32 integers.

    Unsigned integers are taken to lie 128 lower, as int8. None where TFLite has no such type or parameters.
    """
    scales, zero_points = net.constant(node.input(1)), net.constant(node.input(2)) if node.input(2) else None
    if scales is None or (node.input(2) and zero_points is None):
        return None
    dtype = (
        str(zero_points.dtype)
        if zero_points is not None
        else net.dtype(node.input(0) if node.operator == "DequantizeLinear" else node.output(0))
    )
    if dtype not in ("int8", "uint8", "int16", "int32") or scales.ndim > 1:
        return None
    points = np.zeros(scales.size, np.int64) if zero_points is None else zero_points.reshape(-1).astype(np.int64)
    if dtype == "uint8":
        points = points - 128
    axis = 0
    if scales.size > 1 and np.unique(scales).size == np.unique(points).size == 1:
        scales, points = scales[:1], points[:1]  # one scale, said for each channel: `edgeopt quantize` shields so
    if scales.size > 1:
        axis = int(node.attribute("axis", 1)) % len(net.shape(node.input(0)))
    return Quantization(
        scales=tuple(float(each) for each in scales.reshape(-1)),
        zero_points=tuple(int(each) for each in points),
        axis=axis,
    )


def _clamps(quantization: Quantization, limits: tuple[float | None, float | None]) -> bool:
    """Whether integers end within half a step of both limits, so that a value beyond ends as its limit does."""
    step, point = quantization.scale, quantization.zero_point
    lowest, highest = limits
    ends_low = lowest is None or (_INT8.min - point) * step >= lowest - step / 2
    return ends_low and (highest is None or (_INT8.max - point) * step <= highest + step / 2)


def spanning(low: float, high: float) -> Quantization:
    """Steps of int8 that span [low, high], widened to hold zero exactly.

    scale = (high - low) / 255; zero point = round(-128 - low / scale), as `edgeopt quantize` has it.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255))
    if scale < float(np.finfo(np.float32).tiny):
        return Quantization(scales=(1.0,), zero_points=(-128,))
    return Quantization(scales=(scale,), zero_points=(int(np.clip(round(-128 - low / scale), -128, 127)),))


_NOBODY = Node(name="", operator="", domain="", inputs=(), outputs=())
