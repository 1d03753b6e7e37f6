"""A net built node by node: what writers of operators read values with and add operations to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.builder import NOBODY, STORED_AS, Builder
from edgeopt.steps.tflite.ending import Ending, ending_of, wanted
from edgeopt.steps.tflite.net import UNKNOWN, Quantization, Tensor
from edgeopt.steps.tflite.quantized import constant_value
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node, Source, ValueType
from edgeopt.steps.tflite.view import Axes, Shape, View

_NATIVE = frozenset(
    ("float32", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "float64")
)


class Lowering(Builder):
    """The net that a source becomes.

    Writers of operators get it beside their node. They read values as views, tensors or constants, add operations, and
    bind the node's outputs.

    Attributes:
        source: The ONNX graph.
        views: How each value lies.
        sequences: Elements of each sequence of tensors, which is one only while the net is built.
        overtaken: Names of values that are nowhere, since the operation that makes them does an activation too; their
            views are those of what comes behind it.
        noted: What values are quantized with that the source has as real numbers: a calibration noted their ranges.
        warnings: What the user should know, each with what it is true of.
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.views: dict[str, View] = {}
        self.sequences: dict[str, tuple[View, ...]] = {}
        self.overtaken: set[str] = set()
        self.noted: dict[str, Quantization] = {}
        self.warnings: dict[str, dict[str, None]] = {}
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

    def tensor(self, value: str | View, axes: Axes | None = None) -> Tensor:
        """The tensor of a value as numbers (not what integers stand for) with its axes in the order `axes`.

        Args:
            value: Name of a value, or its view.
            axes: Logical axis per memory axis; as ONNX has them by default.
        """
        return self.plain(self.view(value) if isinstance(value, str) else value, axes)

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

    # what comes behind a node

    def ending(self, name: str, *, activations: bool = True, quantized: bool = True) -> Ending:
        """What comes right behind the value called `name` and can be done with what makes it.

        Args:
            name: An output of the node.
            activations: Whether its operation can do an activation.
            quantized: Whether it can give integers: its inputs are quantized.
        """
        return ending_of(self, name, activations=activations, quantized=quantized)

    def wanted(self, name: str) -> Quantization | None:
        """What the value called `name` is to be quantized with; None where it stays real numbers (see `ending`)."""
        return wanted(self, name)

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

    def warn(self, text: str, about: str) -> None:
        """Tell the user something of the conversion, of `about` among others that it is true of."""
        self.warnings.setdefault(text, {})[about] = None

    # the ends of the net

    def give_outputs(self) -> None:
        """Make the outputs of the source outputs of the net, as ONNX has them."""
        for name in self.source.outputs:
            view = self.views.get(name) or self.view(name)
            self.node = replace(NOBODY, name=name, outputs=(name,))
            if not view.tensor.elements and view.tensor.data is not None:
                self.net.outputs[name] = self.empty(view)
                continue
            tensor = self.tensor(view)
            if view.dtype in STORED_AS:
                tensor = self.cast(tensor, view.dtype)
            if tensor.data is not None or tensor in self.net.inputs.values() or tensor in self.net.outputs.values():
                tensor = self.copied(tensor)
            self.net.outputs[name] = tensor

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

    def _constant_view(self, name: str) -> View:
        value = self.source.constants[name]
        dtype = str(value.dtype)
        if dtype == "float64":
            narrow = value.astype(np.float32)
            if not np.array_equal(narrow.astype(np.float64), value, equal_nan=True):
                raise Refused(
                    f"constant `{name}` is float64 and not exact in float32", rewrite="export the model in float32"
                )
            value = narrow
        elif dtype not in {*_NATIVE, *STORED_AS}:
            raise Refused(f"constant `{name}` is `{dtype}`, which TFLite has no numbers for")
        tensor = self.new_constant(value, name=name)
        return View(tensor=tensor, axes=tuple(range(value.ndim)), dtype=dtype)


def _may_be(shape: Shape, told: Shape) -> bool:
    """Whether a shape can be the one that is told: lengths that the data tell can be any."""
    return len(shape) == len(told) and all(
        length in (UNKNOWN, wanted) for length, wanted in zip(shape, told, strict=True)
    )
