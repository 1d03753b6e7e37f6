"""Operations and tensors added to a net, and values brought to the order and the type that a kernel wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.net import Net, Operation, Options, Quantization, Tensor, options
from edgeopt.steps.tflite.quantized import quantized_as, real_numbers
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Axes, Regrouping, Shape, View, collapsed, is_same_order, permuted, regrouping

# Element types of ONNX that are held in another one, which takes each of their values.
STORED_AS: Mapping[str, str] = {"float16": "float32", "bfloat16": "float32"}
_MOST_AXES = 5  # of a TRANSPOSE that is left as it is: XNNPACK has 6, TFLite Micro 5
NOBODY = Node(name="", operator="", domain="", inputs=(), outputs=())


class Builder:
    """A net that is being built.

    Attributes:
        net: What has been built.
        node: The node that it is built for, after which tensors are called.
    """

    def __init__(self) -> None:
        self.net = Net()
        self.node: Node = NOBODY
        self._names: set[str] = set()
        self._numbers: dict[str, int] = {}  # next number to try per name: recurrent layers have thousands of one name
        self._laid: dict[tuple[Tensor, Axes], Tensor] = {}
        self._sources: dict[Tensor, Tensor] = {}
        self._real: dict[Tensor, Tensor] = {}

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

    def unique(self, name: str) -> str:
        """`name`, or it with a number, so that no two tensors share one."""
        candidate, number = name, self._numbers.get(name, 1)
        while candidate in self._names:
            candidate, number = f"{name}_{number}", number + 1
        self._numbers[name] = number
        self._names.add(candidate)
        return candidate

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

    def reshape(self, tensor: Tensor, shape: Shape) -> Tensor:
        """`tensor` with other lengths of its memory axes and the same order of elements: one RESHAPE, or none."""
        tensor = self.unreshaped(tensor)
        if tensor.shape == shape:
            return tensor
        if tensor.data is not None:
            quantization = quantized_as(tensor, shape)
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

    def copied(self, tensor: Tensor) -> Tensor:
        """Another tensor with the same values: a runtime wants an output to be made by an operation of its own."""
        source = tensor
        lengths = self.new_constant(np.array(tensor.shape, np.int32), name="shape")
        return self.add(
            "RESHAPE", (source, lengths), tensor.shape, dtype=tensor.dtype, options=options("ReshapeOptions")
        )

    def empty(self, view: View) -> Tensor:
        """A tensor of no elements, made by FILL: one without bytes is no constant in a file."""
        lengths = self.new_constant(np.array(view.shape, np.int32), name="shape")
        made = Tensor(name=self.unique(self.node.name), shape=view.shape, dtype=view.dtype)
        value = Tensor(name=self.unique("scalar"), shape=(), dtype=view.dtype, data=np.zeros((), np.dtype(view.dtype)))
        self.add_operation("FILL", (lengths, value), (made,), options=options("FillOptions"))
        return made

    # views

    def plain(self, view: View, axes: Axes | None = None) -> Tensor:
        """The tensor of a view as numbers (not what integers stand for) with its axes in the order `axes`.

        Args:
            view: How a value lies.
            axes: Logical axis per memory axis; as ONNX has them by default.
        """
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
        if view.is_quantized and quantized_as(self.laid(view, before), lengths) is None:
            view = self.numbers(view)  # its scales run along an axis that is no more
        return replace(view, tensor=self.reshape(self.laid(view, before), lengths), axes=how.after)

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
