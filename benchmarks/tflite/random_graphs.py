"""Small random ONNX graphs that ONNX Runtime runs, for the fuzzing of the conversion to TFLite.

A graph grows node by node. Each node is run by ONNX Runtime at once on sample values: its shapes are then known, and
a node that it does not take, or that gives numbers nobody would have, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgeopt.graph.runtime import runtime_errors

OPSET, IR_VERSION = 20, 9
_MOST_ELEMENTS, _LARGEST = 20_000, 1e3
FLAVOURS = ("float32", "float32", "float16", "uint8", "int8", "integers")
# What a small difference turns into a large one.
JUMPS = frozenset(
    ("ArgMax", "ArgMin", "Cast", "Ceil", "Equal", "Floor", "Greater", "Less", "Mod", "QuantizeLinear", "Round", "Sign")
) | {"TopK"}
_UNARY = (
    "Abs",
    "Ceil",
    "Cos",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "LogSoftmax",
    "Mish",
    "Neg",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Tanh",
    "ThresholdedRelu",
)


@dataclass(slots=True, kw_only=True)
class Graph:
    """A graph that grows.

    Attributes:
        random: Where all choices come from.
        flavour: One of `FLAVOURS`.
        samples: Value per name, constants included.
        nodes: In the order in which they run.
        constants: Value per name of an initializer.
        inputs: Names.
    """

    random: np.random.Generator
    flavour: str
    samples: dict[str, NDArray[Any]] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)

    @property
    def float(self) -> Any:
        """The dtype of real numbers."""
        return np.float16 if self.flavour == "float16" else np.float32

    def chance(self, share: float) -> bool:
        """True with the probability `share`."""
        return bool(self.random.random() < share)

    def among(self, choices: Sequence[Any]) -> Any:
        """One of `choices`."""
        return choices[int(self.random.integers(len(choices)))]

    def whole(self, low: int, high: int) -> int:
        """An integer of [low, high]."""
        return int(self.random.integers(low, high + 1))

    def numbers(self, *shape: int) -> NDArray[Any]:
        """(shape) real numbers of about 1."""
        return self.random.standard_normal(shape).astype(self.float)

    def input(self, value: NDArray[Any]) -> str:
        """A new input."""
        name = f"in{len(self.inputs)}"
        self.inputs.append(name)
        self.samples[name] = value
        return name

    def constant(self, value: NDArray[Any] | Sequence[int], *, is_shared: bool = False) -> str:
        """A new initializer; integers are int64. A shared one may be one that is there."""
        value = np.asarray(value) if isinstance(value, np.ndarray | np.generic) else np.array(value, np.int64)
        if is_shared and self.chance(0.5):
            same = [
                name for name, each in self.constants.items() if (each.shape, each.dtype) == (value.shape, value.dtype)
            ]
            if same:
                return str(self.among(same))
        name = f"c{len(self.constants)}"
        self.constants[name] = self.samples[name] = value
        return name

    def value(self, *, dtype: Any = None, rank: Sequence[int] = (), is_made: bool = True) -> str:
        """A value that is there, rather a late one; the empty name where none fits."""
        wanted = self.float if dtype is None else dtype
        fitting = [
            name
            for name, value in self.samples.items()
            if value.dtype == wanted and (not rank or value.ndim in rank) and not (is_made and name in self.constants)
        ]
        if not fitting:
            return ""
        return str(fitting[-1] if self.chance(0.4) else self.among(fitting))

    def add(self, operator: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> list[str]:
        """A new node; the names of its outputs, none where it was left out."""
        if inputs and not inputs[0]:
            return []
        names = [f"v{len(self.nodes)}_{place}" for place in range(outputs)]
        node = helper.make_node(operator, inputs, names, name=f"n{len(self.nodes)}_{operator}", **attributes)
        values = _run(node, self.samples)
        if values is None or not all(map(_is_sane, values)):
            return []
        self.nodes.append(node)
        self.samples.update(zip(names, values, strict=True))
        return names

    def model(self) -> onnx.ModelProto:
        """The model: what nothing reads is an output, and sometimes what is read."""
        read = {name for node in self.nodes for name in node.input}
        made = [name for node in self.nodes for name in node.output]
        outputs = [name for name in made if name not in read or self.chance(0.1)]
        if self.chance(0.03):
            outputs.append(self.among(self.inputs))
        graph = helper.make_graph(
            self.nodes,
            "fuzz",
            [_told(name, self.samples[name]) for name in self.inputs],
            [_told(name, self.samples[name]) for name in outputs],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items() if name in read],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _told(name: str, value: NDArray[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def _run(node: onnx.NodeProto, samples: dict[str, NDArray[Any]]) -> list[NDArray[Any]] | None:
    """What ONNX Runtime makes of one node; None where it does not take it."""
    names = list(dict.fromkeys(name for name in node.input if name))
    graph = helper.make_graph(
        [node],
        "one",
        [_told(name, samples[name]) for name in names],
        [onnx.ValueInfoProto(name=name) for name in node.output],
        [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        return list(session.run(None, {name: samples[name] for name in names}))
    except runtime_errors():
        return None


def _is_sane(value: NDArray[Any]) -> bool:
    if not 0 < value.size <= _MOST_ELEMENTS or value.ndim > 6:
        return False
    return value.dtype.kind == "b" or bool(
        np.isfinite(value).all() and np.abs(value.astype(np.float64)).max() < _LARGEST
    )


Grower = Callable[[Graph], Any]


def _conv(g: Graph) -> None:
    x = g.value(rank=(3, 4, 4, 4))
    if not x:
        return
    channels, *space = g.samples[x].shape[1:]
    group = g.among([1, 1, channels, 2 if channels % 2 == 0 else 1])
    out = group * g.whole(1, 4 if group < 4 else 2)
    kernel = [g.whole(1, min(3, length)) for length in space]
    w = g.constant(g.numbers(out, channels // group, *kernel) * g.float(0.5), is_shared=True)
    strides = [g.whole(1, 2) for _ in space]
    pads = [g.whole(0, kernel[place % len(space)] - 1) for place in range(2 * len(space))]
    attributes: dict[str, Any] = (
        {"pads": pads} if g.chance(0.7) else {"auto_pad": g.among(["SAME_UPPER", "SAME_LOWER"])}
    )
    if g.chance(0.2) and "pads" in attributes:
        attributes["dilations"], strides = [g.whole(1, 2) for _ in space], [1 for _ in space]
    if g.flavour in ("uint8", "int8"):
        w = _quantized_weights(g, w)
    bias = [g.constant(g.numbers(out))] if g.chance(0.6) else []
    if bias and g.flavour in ("uint8", "int8") and g.chance(0.5):
        bias = []
    made = g.add("Conv", [x, w, *bias], group=group, strides=strides, kernel_shape=kernel, **attributes)
    if made and g.chance(0.5):
        made = g.add(g.among(["Relu", "Clip", "Sigmoid", "HardSwish", "LeakyRelu"]), made)
    _pair(g, made)


def _conv_transpose(g: Graph) -> None:
    x = g.value(rank=(3, 4, 4))
    if not x:
        return
    channels, *space = g.samples[x].shape[1:]
    group = g.among([1, 1, channels])
    kernel = [g.whole(1, 3) for _ in space]
    w = g.constant(g.numbers(channels, g.whole(1, 3), *kernel))
    strides = [g.whole(1, 2) for _ in space]
    pads = [g.whole(0, kernel[place % len(space)] - 1) for place in range(2 * len(space))]
    more = [g.whole(0, stride - 1) for stride in strides]
    _pair(g, g.add("ConvTranspose", [x, w], group=group, strides=strides, pads=pads, output_padding=more))


def _pool(g: Graph) -> None:
    x = g.value(rank=(3, 4, 4, 4))
    if not x:
        return
    space = g.samples[x].shape[2:]
    kind = g.among(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"])
    if kind.startswith("Global"):
        _pair(g, g.add(kind, [x]))
        return
    kernel = [g.whole(1, min(3, length)) for length in space]
    pads = [g.whole(0, (kernel[place % len(space)]) // 2) for place in range(2 * len(space))]
    attributes: dict[str, Any] = {"count_include_pad": g.whole(0, 1)} if kind == "AveragePool" else {}
    _pair(
        g,
        g.add(
            kind,
            [x],
            kernel_shape=kernel,
            strides=[g.whole(1, 3) for _ in space],
            pads=pads,
            ceil_mode=int(g.chance(0.25)),
            **attributes,
        ),
    )


def _norm(g: Graph) -> None:
    kind = g.among(["BatchNormalization", "InstanceNormalization", "LayerNormalization"])
    x = g.value(rank=(2, 3, 4, 4) if kind[0] == "B" else (3, 4, 4) if kind[0] == "I" else (2, 3, 4, 5))
    if not x:
        return
    shape = g.samples[x].shape
    if kind[0] == "L":
        axis = g.whole(1, len(shape) - 1)
        g.add(kind, [x, g.constant(g.numbers(*shape[axis:])), g.constant(g.numbers(*shape[axis:]))], axis=axis)
        return
    c = shape[1]
    parts = [g.constant(g.numbers(c)), g.constant(g.numbers(c))]
    if kind[0] == "B":
        parts += [g.constant(g.numbers(c)), g.constant(np.abs(g.numbers(c)) + g.float(0.5))]
    _pair(g, g.add(kind, [x, *parts]))


def _unary(g: Graph) -> None:
    x, kind = g.value(), g.among(_UNARY)
    attributes: dict[str, Any] = {}
    if kind in ("Softmax", "LogSoftmax") and x:
        rank = g.samples[x].ndim
        attributes = {"axis": g.whole(-rank, rank - 1)} if rank else {}
    if kind == "Gelu" and g.chance(0.5):
        attributes = {"approximate": "tanh"}
    if kind in ("Elu", "LeakyRelu", "ThresholdedRelu"):
        attributes = {"alpha": float(g.among([0.01, 0.3, 1.0, 1.7]))}
    _pair(g, g.add(kind, [x], **attributes))


def _clip(g: Graph) -> None:
    low, high = g.among([(0, 6), (-1, 1), (0, None), (-0.7, 2.5), (None, 1.5), (0, 1)])
    bounds = ["" if each is None else g.constant(np.array(each, g.float)) for each in (low, high)]
    _pair(g, g.add("Clip", [g.value(), *bounds]))


def _prelu(g: Graph) -> None:
    x = g.value()
    if x:
        g.add("PRelu", [x, g.constant(g.numbers(*_broadcast(g, g.samples[x].shape)))])


def _broadcast(g: Graph, shape: Sequence[int]) -> tuple[int, ...]:
    lengths = [length if g.chance(0.5) else 1 for length in shape]
    return tuple(lengths[g.whole(0, len(lengths)) :])


def _binary(g: Graph) -> None:
    x = g.value()
    if not x:
        return
    kind = g.among(["Add", "Add", "Mul", "Sub", "Div", "Max", "Min", "Pow"])
    same = [
        name
        for name, value in g.samples.items()
        if value.dtype == g.float and _is_broadcast(value.shape, g.samples[x].shape) and name not in g.constants
    ]
    if kind == "Div":
        y = g.constant(np.abs(g.numbers(*_broadcast(g, g.samples[x].shape))) + g.float(0.5))
    elif kind == "Pow":
        y = g.constant(np.array(g.among([1.0, 2.0, 3.0, 4.0]), g.float))
    elif same and g.chance(0.6):
        y = str(g.among(same))
    else:
        y = g.constant(g.numbers(*_broadcast(g, g.samples[x].shape)), is_shared=True)
    pair = [x, y] if kind in ("Div", "Pow") or g.chance(0.7) else [y, x]
    made = g.add(kind, pair)
    if made and g.chance(0.3):
        made = g.add("Relu", made)
    _pair(g, made)


def _is_broadcast(first: Sequence[int], second: Sequence[int]) -> bool:
    try:
        np.broadcast_shapes(tuple(first), tuple(second))
    except ValueError:
        return False
    return True


def _any(g: Graph) -> str:
    return g.value(dtype=g.among([g.float, g.float, g.float, np.int64, np.int32, np.bool_]))


def _reshape(g: Graph) -> None:
    x = _any(g)
    if not x:
        return
    shape = list(g.samples[x].shape)
    kind = g.among(["Reshape", "Reshape", "Flatten", "Unsqueeze", "Squeeze"])
    if kind == "Flatten":
        made = g.add(kind, [x], axis=g.whole(0, len(shape)))
    elif kind == "Unsqueeze":
        made = g.add(kind, [x, g.constant([g.whole(0, len(shape))])])
    elif kind == "Squeeze":
        ones = [axis for axis, length in enumerate(shape) if length == 1]
        made = g.add(kind, [x, g.constant([g.among(ones)])]) if ones else []
    else:
        made = g.add(kind, [x, g.constant(_other_shape(g, shape))])
    _pair(g, made)


def _other_shape(g: Graph, shape: list[int]) -> list[int]:
    shape = list(shape)
    for _ in range(g.whole(1, 3)):
        if len(shape) > 1 and g.chance(0.5):
            place = g.whole(0, len(shape) - 2)
            shape[place : place + 2] = [shape[place] * shape[place + 1]]
        elif shape and len(shape) < 5:
            place = g.whole(0, len(shape) - 1)
            factor = g.among([each for each in range(1, shape[place] + 1) if shape[place] % each == 0])
            shape[place : place + 1] = [factor, shape[place] // factor]
    if shape and g.chance(0.3):
        shape[g.whole(0, len(shape) - 1)] = -1
    return shape


def _shape_path(g: Graph) -> None:
    """A Reshape whose shape is computed from another's, as exporters write it."""
    x = g.value(rank=(2, 3, 4))
    if not x:
        return
    shape = g.add("Shape", [x])
    first = g.add("Gather", [*shape, g.constant(np.array(0))], axis=0) if shape else []
    first = g.add("Unsqueeze", [*first, g.constant([0])]) if first else []
    joined = g.add("Concat", [*first, g.constant([-1])], axis=0) if first else []
    if joined:
        _pair(g, g.add("Reshape", [x, *joined]))


def _transpose(g: Graph) -> None:
    x = _any(g)
    if x and g.samples[x].ndim:
        rank = g.samples[x].ndim
        order = [0, 2, 3, 1] if rank == 4 and g.chance(0.4) else [0, 3, 1, 2] if rank == 4 and g.chance(0.4) else None
        _pair(g, g.add("Transpose", [x], perm=order or [int(each) for each in g.random.permutation(rank)]))


def _concat(g: Graph) -> None:
    x = _any(g)
    if not x or not g.samples[x].ndim:
        return
    axis = g.whole(0, g.samples[x].ndim - 1)

    def rest(name: str) -> tuple[Any, ...]:
        value = g.samples[name]
        return (value.dtype, value.ndim, *(length for place, length in enumerate(value.shape) if place != axis))

    fitting = [name for name in g.samples if rest(name) == rest(x)]
    _pair(g, g.add("Concat", [x, *(g.among(fitting) for _ in range(g.whole(1, 2)))], axis=axis))


def _split(g: Graph) -> None:
    x = _any(g)
    if not x or not g.samples[x].ndim:
        return
    axis = g.whole(0, g.samples[x].ndim - 1)
    length = g.samples[x].shape[axis]
    if length > 1:
        first = g.whole(1, length - 1)
        for name in g.add("Split", [x, g.constant([first, length - first])], 2, axis=axis):
            _pair(g, [name])


def _slice(g: Graph) -> None:
    x = _any(g)
    if not x or not g.samples[x].ndim:
        return
    axes = [axis for axis in range(g.samples[x].ndim) if g.chance(0.5)] or [0]
    lengths = [g.samples[x].shape[axis] for axis in axes]
    steps = [g.among([1, 1, 2, -1, -2]) for _ in axes]
    starts = [g.whole(-length, length - 1) if step > 0 else -1 for length, step in zip(lengths, steps, strict=True)]
    ends = [
        g.among([2**63 - 1, length, -1]) if step > 0 else g.among([-(2**63) + 1, -length - 1, 0])
        for length, step in zip(lengths, steps, strict=True)
    ]
    _pair(g, g.add("Slice", [x, *map(g.constant, (starts, ends, axes, steps))]))


def _gather(g: Graph) -> None:
    x = _any(g)
    if not x or not g.samples[x].ndim:
        return
    axis = g.whole(0, g.samples[x].ndim - 1)
    length = g.samples[x].shape[axis]
    shape = g.among([(), (1,), (2,), (3,), (2, 2)])
    places = np.array(g.random.integers(-length, length, shape), g.among([np.int64, np.int32]))
    if g.chance(0.2):
        index = g.input(np.abs(places) % length)
        g.samples[index] = np.zeros_like(places)
    else:
        index = g.constant(places)
    _pair(g, g.add("Gather", [x, index], axis=axis))


def _pad(g: Graph) -> None:
    x = g.value()
    if not x or not g.samples[x].ndim:
        return
    rank = g.samples[x].ndim
    widths = [g.among([0, 0, 1, 2, -1]) for _ in range(2 * rank)]
    mode = g.among(["constant", "constant", "reflect", "edge", "wrap"])
    value = [g.constant(np.array(g.among([0.0, 0.0, 1.5]), g.float))] if mode == "constant" else []
    _pair(g, g.add("Pad", [x, g.constant(widths), *value], mode=mode))


def _reduce(g: Graph) -> None:
    x = g.value(dtype=g.among([g.float, g.float, np.int64, np.int32]))
    if not x or not g.samples[x].ndim:
        return
    kind = g.among(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare", "ReduceL1"])
    axes = [axis for axis in range(g.samples[x].ndim) if g.chance(0.5)]
    inputs = [x] if kind in ("ReduceMean",) and not axes else [x, g.constant(axes)]
    _pair(g, g.add(kind, inputs if axes else [x], keepdims=g.whole(0, 1)))


def _place(g: Graph) -> None:
    x = g.value()
    if not x or not g.samples[x].ndim:
        return
    axis = g.whole(0, g.samples[x].ndim - 1)
    if g.chance(0.5):
        g.add(g.among(["ArgMax", "ArgMin"]), [x], axis=axis, keepdims=g.whole(0, 1))
        return
    count = g.constant([g.whole(1, g.samples[x].shape[axis])])
    g.add("TopK", [x, count], 2, axis=axis, largest=g.whole(0, 1))


def _matmul(g: Graph) -> None:
    x = g.value(rank=(1, 2, 2, 3, 4))
    if not x:
        return
    last = g.samples[x].shape[-1]
    fitting = [
        name
        for name, value in g.samples.items()
        if value.dtype == g.float and value.ndim >= 2 and value.shape[-2] == last and name not in g.constants
    ]
    if fitting and g.chance(0.5):
        made = g.add("MatMul", [x, g.among(fitting)])
    elif g.samples[x].ndim == 2 and g.chance(0.5):
        out, turned = g.whole(1, 5), g.whole(0, 1)
        w = g.constant(g.numbers(*((out, last) if turned else (last, out))), is_shared=True)
        w = _quantized_weights(g, w, axis=1 - turned) if g.flavour in ("uint8", "int8") else w
        bias = g.constant(g.numbers(*g.among([(out,), (1, out), (1,), ()])))
        scale = {"alpha": 0.5, "beta": 2.0} if g.chance(0.2) else {}
        made = g.add("Gemm", [x, w, bias], transB=turned, **scale)
    else:
        w = g.constant(g.numbers(last, g.whole(1, 5)), is_shared=True)
        w = _quantized_weights(g, w, axis=1) if g.flavour in ("uint8", "int8") else w
        made = g.add("MatMul", [x, w])
    _pair(g, made)


def _resize(g: Graph) -> None:
    x = g.value(rank=(4, 4, 4, 3))
    if not x:
        return
    shape = list(g.samples[x].shape)
    sizes = [*shape[:2], *(max(1, g.among([length, length * 2, length + 1, length // 2])) for length in shape[2:])]
    mode = g.among(["nearest", "linear", "linear", "cubic"])
    where = g.among(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
    extra = {"nearest_mode": g.among(["floor", "round_prefer_floor"])} if mode == "nearest" else {}
    _pair(
        g,
        g.add("Resize", [x, "", "", g.constant(sizes)], mode=mode, coordinate_transformation_mode=where, **extra),
    )


def _move(g: Graph) -> None:
    x = g.value(rank=(4,))
    kind = g.among(["DepthToSpace", "SpaceToDepth", "Tile", "Expand", "CumSum"])
    if not x:
        return
    shape = g.samples[x].shape
    if kind in ("DepthToSpace", "SpaceToDepth"):
        mode = {"mode": g.among(["DCR", "CRD"])} if kind[0] == "D" else {}
        _pair(g, g.add(kind, [x], blocksize=2, **mode))
    elif kind == "Tile":
        _pair(g, g.add(kind, [x, g.constant([g.whole(1, 2) for _ in shape])]))
    elif kind == "Expand":
        _pair(g, g.add(kind, [x, g.constant([length if length > 1 else g.whole(1, 3) for length in shape])]))
    else:
        g.add(kind, [x, g.constant(np.array(g.whole(0, 3)))], reverse=g.whole(0, 1), exclusive=g.whole(0, 1))


def _cast(g: Graph) -> None:
    x = g.value(dtype=g.among([g.float, np.int64, np.int32, np.bool_]))
    types = [onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.BOOL, onnx.TensorProto.FLOAT]
    g.add("Cast", [x], to=g.among([*types, helper.np_dtype_to_tensor_dtype(np.dtype(g.float))]))


def _compare(g: Graph) -> None:
    x = g.value()
    if not x:
        return
    y = g.constant(g.numbers(*_broadcast(g, g.samples[x].shape)))
    made = g.add(g.among(["Greater", "Less", "GreaterOrEqual", "LessOrEqual"]), [x, y])
    if made and g.chance(0.7):
        g.add("Where", [*made, x, y] if g.chance(0.5) else [*made, y, x])


def _integers(g: Graph) -> None:
    dtype = g.among([np.int64, np.int32])
    x = g.value(dtype=dtype)
    if not x:
        return
    kind = g.among(["Add", "Mul", "Sub", "Div", "Mod", "Max", "Min", "Abs", "Neg"])
    if kind in ("Abs", "Neg"):
        g.add(kind, [x])
        return
    shape = _broadcast(g, g.samples[x].shape)
    y = g.constant(np.array(g.random.integers(1, 5, shape) * g.among([1, -1]), dtype))
    g.add(kind, [x, y] if kind in ("Div", "Mod") or g.chance(0.6) else [y, x])


def _quantized_weights(g: Graph, name: str, axis: int = 0) -> str:
    """int8 weights behind a DequantizeLinear, per channel or per tensor; the name of the real numbers."""
    value = g.constants[name]
    if g.chance(0.2):
        return name
    if g.chance(0.6):
        others = tuple(place for place in range(value.ndim) if place != axis)
        scales = np.maximum(np.abs(value).max(axis=others), 1e-3) / 127
        spread = np.expand_dims(scales, others)
        parts = [g.constant(scales.astype(np.float32)), g.constant(np.zeros(scales.shape, np.int8))]
        attributes: dict[str, Any] = {"axis": axis}
    else:
        spread = np.array(np.abs(value).max() / 127)
        parts = [g.constant(spread.astype(np.float32)), g.constant(np.array(0, np.int8))]
        attributes = {}
    integers = g.constant(np.clip(np.round(value / spread), -127, 127).astype(np.int8))
    made = g.add("DequantizeLinear", [integers, *parts], **attributes)
    return made[0] if made else name


def _pair(g: Graph, names: Sequence[str]) -> None:
    """In a quantized graph, most values go through a QuantizeLinear and one or two DequantizeLinear."""
    if not names or g.flavour not in ("uint8", "int8") or not g.chance(0.8):
        return
    value = g.samples[names[0]]
    if value.dtype != np.float32:
        return
    last = g.nodes[-1]
    before = next(
        (node for node in reversed(g.nodes) if node.op_type == "DequantizeLinear" and node.output[0] in last.input),
        None,
    )
    if (
        before is not None
        and len(before.input) == 3
        and before.input[2] in g.constants
        and g.constants[before.input[1]].ndim == 0
        and g.chance(0.4)
    ):
        parts = list(before.input[1:])
        if g.constants[parts[1]].dtype != np.dtype(g.flavour):
            return
    else:
        low, high = min(float(value.min()), 0.0) * 1.2, max(float(value.max()), 0.0) * 1.2
        scale = np.float32(max((high - low) / 255, 1e-4))
        limits = np.iinfo(g.flavour)
        point = int(np.clip(round(limits.min - low / float(scale)), limits.min, limits.max))
        parts = [g.constant(np.array(scale)), g.constant(np.array(point, g.flavour))]
    quantized = g.add("QuantizeLinear", [names[0], *parts])
    for _ in range(1 if g.chance(0.85) else 2):
        if quantized:
            g.add("DequantizeLinear", [*quantized, *parts])


_GROWERS: tuple[Grower, ...] = (
    _conv, _conv, _conv, _conv_transpose, _pool, _pool, _norm, _unary, _unary, _unary, _clip, _prelu, _binary, _binary,
    _binary, _reshape, _reshape, _shape_path, _transpose, _transpose, _concat, _concat, _split, _slice, _slice, _gather,
    _pad, _pad, _reduce, _reduce, _place, _matmul, _matmul, _resize, _move, _cast, _compare, _integers,
)  # fmt: skip


def random_graph(seed: int) -> Graph:
    """A graph of 3 to 12 nodes and more."""
    random = np.random.default_rng(seed)
    g = Graph(random=random, flavour=FLAVOURS[seed % len(FLAVOURS)])
    for _ in range(g.whole(1, 3)):
        rank = g.among([1, 2, 3, 4, 4, 4, 4, 5])
        shape = [g.among([1, 1, 2, 3]), *(g.among([1, 2, 3, 4, 5, 6, 8]) for _ in range(rank - 1))]
        name = g.input(g.numbers(*shape))
        _pair_input(g, name)
    if g.flavour == "integers":
        shape = [g.whole(1, 4) for _ in range(g.whole(0, 4))]
        g.input(np.array(g.random.integers(-20, 20, shape), g.among([np.int64, np.int32])))
    wanted = g.whole(3, 12) * (3 if g.flavour in ("uint8", "int8") else 1)
    for _ in range(60):
        if len(g.nodes) >= wanted:
            break
        g.among(_GROWERS)(g)
    return g


def _pair_input(g: Graph, name: str) -> None:
    if g.flavour in ("uint8", "int8"):
        scale, point = (
            g.constant(np.array(0.03, np.float32)),
            g.constant(np.array(128 if g.flavour == "uint8" else 0, g.flavour)),
        )
        quantized = g.add("QuantizeLinear", [name, scale, point])
        g.add("DequantizeLinear", [*quantized, scale, point])
