"""Networks as exporters and people write them, each odd in one way; random weights keep activations near 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node
PADS = {"pads": [1, 1, 1, 1]}
MANY = 8  # channels, and features
_generator = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    """Weights (output, ...) or matrices; the variance of what they give is near 1 for inputs of variance 1."""
    return (_generator.standard_normal(shape) / max(1.0, float(np.prod(shape[1:]))) ** 0.5).astype(np.float32)


def value(name: str, *shape: int | str, dtype: int = TensorProto.FLOAT) -> Any:
    """An input or an output."""
    return helper.make_tensor_value_info(name, dtype, list(shape))


def of_any_shape(name: str, dtype: int = TensorProto.FLOAT) -> Any:
    """An output of a shape that inference tells."""
    return helper.make_tensor_value_info(name, dtype, None)


def model(
    nodes: list[Any],
    constants: dict[str, Any],
    *,
    inputs: list[Any] | None = None,
    outputs: list[Any] | None = None,
    opset: int = 17,
    domains: tuple[str, ...] = (),
    functions: tuple[Any, ...] = (),
) -> Any:
    """The model of a graph from x to y."""
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "odd", inputs or [IMAGE], outputs or [of_any_shape("y")], tensors)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=list(functions))
    known = onnx.shape_inference.infer_shapes(made, data_prop=True).graph.output
    del made.graph.output[:]
    made.graph.output.extend(known)
    return made


IMAGE = value("x", "n", MANY, 8, 8)
ROW = value("x", "n", MANY)
ROWS = value("x", "n", 5, MANY)
KERNEL, BIAS, SQUARE = normal(MANY, MANY, 3, 3), normal(MANY), normal(MANY, MANY)


def convolutions(
    *between: Any, attributes: dict[str, Any] | None = None, last: str = "m", **constants: Any
) -> Callable[[], Any]:
    """Conv to `a`, the nodes between, Conv from `last`."""
    options = PADS if attributes is None else attributes

    def build() -> Any:
        nodes = [node("Conv", ["x", "k", "b"], ["a"], **options), *between, node("Conv", [last, "k"], ["y"], **options)]
        return model(nodes, {"k": KERNEL, "b": BIAS, **constants})

    return build


def layers(first: Any, second: Any, shape: Any = ROW, **constants: Any) -> Callable[[], Any]:
    """`first` from x to a, Relu to r, `second` from r to y."""
    return lambda: model([first, node("Relu", ["a"], ["r"]), second], constants, inputs=[shape])


def typed(element: int, dtype: Any) -> Callable[[], Any]:
    """Two convolutions in one float type."""

    def build() -> Any:
        nodes = [node("Conv", ["x", "k"], ["a"], **PADS), node("Conv", ["a", "k"], ["y"], **PADS)]
        shape = ("n", MANY, 8, 8)
        ends = {"inputs": [value("x", *shape, dtype=element)], "outputs": [value("y", *shape, dtype=element)]}
        return model(nodes, {"k": KERNEL.astype(dtype)}, **ends)

    return build


def branching() -> Any:
    """An If whose branch multiplies by a weight that a quantized node outside reads too."""
    then = helper.make_graph([node("MatMul", ["r", "w"], ["p"])], "then", [], [of_any_shape("p")])
    other = helper.make_graph([node("Identity", ["r"], ["q"])], "other", [], [of_any_shape("q")])
    nodes = [
        node("Gemm", ["x", "w"], ["a"]),
        node("Relu", ["a"], ["r"]),
        node("ReduceMean", ["r"], ["mean"], keepdims=0),
        node("Greater", ["mean", "limit"], ["is_large"]),
        node("If", ["is_large"], ["i"], name="if", then_branch=then, else_branch=other),
        node("Gemm", ["i", "v"], ["y"]),
    ]
    return model(nodes, {"w": SQUARE, "v": normal(MANY, 4), "limit": np.float32(0.1)}, inputs=[ROW])


def looping() -> Any:
    """A Loop whose body reads a weight and an activation of the graph outside."""
    body = helper.make_graph(
        [
            node("MatMul", ["state", "w"], ["product"]),
            node("Add", ["product", "r"], ["next"]),
            node("Identity", ["go"], ["going"]),
        ],
        "body",
        [value("turn", dtype=TensorProto.INT64), value("go", dtype=TensorProto.BOOL), value("state", "n", MANY)],
        [value("going", dtype=TensorProto.BOOL), value("next", "n", MANY)],
    )
    nodes = [
        node("Gemm", ["x", "w"], ["a"]),
        node("Relu", ["a"], ["r"]),
        node("Loop", ["turns", "always", "r"], ["l"], name="loop", body=body),
        node("Gemm", ["l", "v"], ["y"]),
    ]
    constants = {"w": SQUARE / 3, "v": normal(MANY, 4), "turns": np.int64(3), "always": np.bool_(True)}
    return model(nodes, constants, inputs=[ROW])


def scanning() -> Any:
    """A Scan over time whose body reads a weight of the graph outside."""
    body = helper.make_graph(
        [node("MatMul", ["state", "w"], ["product"]), node("Add", ["product", "now"], ["next"])],
        "body",
        [value("state", "n", MANY), value("now", "n", MANY)],
        [value("next", "n", MANY)],
    )
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),
        node("Transpose", ["a"], ["t"], perm=[1, 0, 2]),
        node("ReduceSum", ["a", "axis"], ["start"], keepdims=0),
        node("Scan", ["start", "t"], ["s"], name="scan", body=body, num_scan_inputs=1),
        node("Gemm", ["s", "v"], ["y"]),
    ]
    return model(nodes, {"w": SQUARE / 3, "v": normal(MANY, 4), "axis": np.int64([1])}, inputs=[ROWS])


def recurrent(operator: str, gates: int) -> Callable[[], Any]:
    """A recurrent layer between two matrices; its first output is left out."""
    units = 6
    constants = {
        "w": SQUARE,
        "W": normal(1, gates * units, MANY),
        "R": normal(1, gates * units, units),
        "axis": np.int64([0]),
        "v": normal(units, 4),
    }
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),
        node("Transpose", ["a"], ["t"], perm=[1, 0, 2]),
        node(operator, ["t", "W", "R"], ["", "h"], name="cell", hidden_size=units),
        node("Squeeze", ["h", "axis"], ["s"]),
        node("Gemm", ["s", "v"], ["y"]),
    ]
    return lambda: model(nodes, constants, inputs=[ROWS])


def with_listed_initializers() -> Any:
    """As exporters before IR version 4 wrote it."""
    made = convolutions(node("Relu", ["a"], ["m"]))()
    made.graph.input.extend(value(each.name, *each.dims) for each in made.graph.initializer)
    made.ir_version = 3
    return made


def with_fixed_batch(batch: int) -> Callable[[], Any]:
    """For `batch` images at a time."""
    nodes = [
        node("Conv", ["x", "k"], ["a"], **PADS),
        node("Relu", ["a"], ["r"]),
        node("Conv", ["r", "k"], ["y"], **PADS),
    ]
    return lambda: model(nodes, {"k": KERNEL}, inputs=[value("x", batch, MANY, 8, 8)])


def with_function() -> Any:
    """A block that is a local function, called twice."""
    body = [node("Conv", ["i", "kernel"], ["t"], **PADS), node("Relu", ["t"], ["o"])]
    block = helper.make_function("mine", "Block", ["i", "kernel"], ["o"], body, [helper.make_opsetid("", 17)])
    nodes = [
        node("Block", ["x", "k"], ["a"], domain="mine"),
        node("Block", ["a", "k"], ["c"], domain="mine"),
        node("Conv", ["c", "k"], ["y"], **PADS),
    ]
    return model(nodes, {"k": KERNEL}, domains=("mine",), functions=(block,))


def with_sparse_weight() -> Any:
    """The second matrix holds six numbers."""
    nodes = [node("Gemm", ["x", "w"], ["a"]), node("Relu", ["a"], ["r"]), node("Gemm", ["r", "s"], ["y"])]
    made = model(nodes, {"w": SQUARE}, inputs=[ROW])
    sparse = made.graph.sparse_initializer.add(dims=[MANY, 4])
    sparse.values.CopyFrom(numpy_helper.from_array(np.float32([1, -1, 0.5, 0.7, -0.3, 0.9]), "s"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.int64([0, 5, 9, 17, 22, 30]), "where"))
    return made


def with_odd_names() -> Any:
    """Slashes, colons, spaces, control characters and letters of right-to-left scripts."""
    x, k, b, a, r, y = "/in:0", "a/b:c", "b\x1b[31mred", "\x07\x00bell", "m\u00fcsli\u202e", " out /y:0"
    nodes = [
        node("Conv", [x, k, b], [a], name="n/\x1b[2J:1", **PADS),
        node("Relu", [a], [r]),
        node("Conv", [r, k], [y], **PADS),
    ]
    return model(nodes, {k: KERNEL, b: BIAS}, inputs=[value(x, "n", MANY, 8, 8)], outputs=[of_any_shape(y)])


def with_names_that_we_would_give() -> Any:
    """Tensors called as quantized ones would be."""
    nodes = [
        node("Conv", ["x", "k"], ["x_quantized"], name="x_QuantizeLinear", **PADS),
        node("Relu", ["x_quantized"], ["x_scale"]),
        node("Conv", ["x_scale", "k_scale"], ["y"], **PADS),
    ]
    return model(nodes, {"k": KERNEL, "k_scale": normal(MANY, MANY, 3, 3)})


def masked(mask: Any) -> Callable[[], Any]:
    """Attention under a causal mask."""
    nodes = [
        node("MatMul", ["x", "w"], ["q"]),
        node("MatMul", ["x", "v"], ["k"]),
        node("Transpose", ["k"], ["t"], perm=[0, 2, 1]),
        node("MatMul", ["q", "t"], ["s"]),
        node("Add", ["s", "mask"], ["m"]),
        node("Softmax", ["m"], ["p"], axis=-1),
        node("MatMul", ["p", "q"], ["y"]),
    ]
    constants = {"w": SQUARE, "v": normal(MANY, MANY), "mask": np.triu(np.full((5, 5), mask, np.float32), 1)}
    return lambda: model(nodes, constants, inputs=[ROWS])


def gemm(weight: Any, bias: Any = None, **attributes: Any) -> Callable[[], Any]:
    """Two Gemm, of which the second is given."""
    constants = {"e": SQUARE, "w": weight, **({} if bias is None else {"b": bias})}
    return layers(
        node("Gemm", ["x", "e"], ["a"]),
        node("Gemm", ["r", "w", *(["b"] if bias is not None else [])], ["y"], **attributes),
        **constants,
    )


def two_outputs(*names: str, **types: int) -> list[Any]:
    """Outputs of free shapes, float32 unless said."""
    return [of_any_shape(name, types.get(name, TensorProto.FLOAT)) for name in names]


GEMM_BIASES = {
    "row": normal(4),
    "flat": normal(1, 4),
    "scalar": np.float32(0.3),
    "one": np.float32([0.3]),
    "none": None,
}
SPATIAL_FREE = value("x", "n", MANY, "h", "w")

# name -> what builds it; each must quantize and compute nearly what it did
QUANTIZED: dict[str, Callable[[], Any]] = {
    "If reading a weight from outside": branching,
    "Loop reading a weight from outside": looping,
    "Scan reading a weight from outside": scanning,
    "LSTM": recurrent("LSTM", 4),
    "GRU": recurrent("GRU", 3),
    "RNN": recurrent("RNN", 1),
    "initializers among the inputs": with_listed_initializers,
    "a fixed batch of 1": with_fixed_batch(1),
    "a fixed batch of 3": with_fixed_batch(3),
    "a local function": with_function,
    "a sparse initializer": with_sparse_weight,
    "odd names": with_odd_names,
    "names that quantized tensors would get": with_names_that_we_would_give,
    "a mask of infinities": masked(-np.inf),
    "a mask of the smallest float": masked(np.finfo(np.float32).min),
    "float16": typed(TensorProto.FLOAT16, np.float16),
    **{f"Gemm with bias {key}": gemm(normal(MANY, 4), bias) for key, bias in GEMM_BIASES.items()},
    **{f"Gemm transposed with bias {key}": gemm(normal(4, MANY), bias, transB=1) for key, bias in GEMM_BIASES.items()},
    "Gemm with alpha and beta": gemm(normal(MANY, 4), normal(4), alpha=0.5, beta=2.0),
    "Gemm with alpha alone": gemm(normal(MANY, 4), alpha=0.25),
    "one weight read at two scales": convolutions(
        node("Relu", ["a"], ["r"]), node("Mul", ["r", "hundred"], ["m"]), hundred=np.float32(100)
    ),
    "one weight under three biases": convolutions(
        node("Conv", ["a", "k", "c"], ["m"], **PADS), c=normal(MANY) * np.float32(50)
    ),
    "one weight read along both axes": lambda: model(
        [
            node("Gemm", ["x", "w"], ["a"]),
            node("Relu", ["a"], ["r"]),
            node("Gemm", ["r", "w"], ["q"], transB=1),
            node("MatMul", ["q", "w"], ["y"]),
        ],
        {"w": SQUARE * np.linspace(0.1, 5, MANY, dtype=np.float32)},
        inputs=[ROW],
    ),
    "a weight that is read as floats too": lambda: model(
        [
            node("Gemm", ["x", "w"], ["a"]),
            node("Gemm", ["a", "w"], ["q"]),
            node("ReduceSum", ["w"], ["s"], keepdims=0),
            node("Add", ["q", "s"], ["y"]),
        ],
        {"w": SQUARE},
        inputs=[ROW],
    ),
    "MatMul with a weight of 3 axes": layers(
        node("MatMul", ["x", "w"], ["a"]),
        node("MatMul", ["r", "v"], ["y"]),
        value("x", "n", 3, 5, MANY),
        w=normal(3, MANY, MANY),
        v=normal(MANY, 4),
    ),
    "MatMul with the constant on the left": layers(
        node("MatMul", ["w", "x"], ["a"]),
        node("MatMul", ["r", "v"], ["y"]),
        value("x", "n", MANY, 5),
        w=normal(6, MANY),
        v=normal(5, 4),
    ),
    "MatMul with a vector": layers(
        node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["r", "v"], ["y"]), ROWS, w=SQUARE, v=normal(MANY)
    ),
    "Gemm with its input transposed": layers(
        node("Gemm", ["x", "w"], ["a"], transA=1),
        node("Gemm", ["r", "v"], ["y"]),
        value("x", MANY, MANY),
        w=SQUARE,
        v=normal(MANY, 4),
    ),
    **{
        f"auto_pad {mode}": convolutions(
            node("Relu", ["a"], ["m"]), attributes={"auto_pad": mode, "strides": [2, 2]}
        )
        for mode in ("SAME_UPPER", "SAME_LOWER", "VALID")
    },
    "Conv of one axis": layers(
        node("Conv", ["x", "k"], ["a"], pads=[1, 1]),
        node("Conv", ["r", "k"], ["y"]),
        value("x", "n", MANY, 16),
        k=normal(MANY, MANY, 3),
    ),
    "Conv of three axes": layers(
        node("Conv", ["x", "k"], ["a"], pads=[1] * 6),
        node("Conv", ["r", "k"], ["y"]),
        value("x", "n", MANY, 6, 6, 6),
        k=normal(MANY, MANY, 3, 3, 3),
    ),
    "ConvTranspose": convolutions(
        node("ConvTranspose", ["a", "u"], ["m"], name="up", strides=[2, 2]), u=normal(MANY, MANY, 2, 2)
    ),
    "grouped Conv": layers(
        node("Conv", ["x", "k"], ["a"], group=4, **PADS),
        node("Conv", ["r", "d"], ["y"], group=MANY, **PADS),
        IMAGE,
        k=normal(MANY, 2, 3, 3),
        d=normal(MANY, 1, 3, 3),
    ),
    "free height and width": lambda: model(
        [
            node("Conv", ["x", "k"], ["a"], **PADS),
            node("Relu", ["a"], ["r"]),
            node("Conv", ["r", "k"], ["y"], **PADS),
        ],
        {"k": KERNEL}, inputs=[SPATIAL_FREE],
    ),
    "a tensor without elements": lambda: model(
        [
            node("Conv", ["x", "k"], ["a"], **PADS),
            node("Slice", ["a", "zero", "zero", "zero"], ["none"]),
            node("Conv", ["none", "k"], ["still"], **PADS),
            node("Concat", ["still", "a"], ["y"], axis=0),
        ],
        {"k": KERNEL, "zero": np.int64([0])},
    ),
    "a constant without elements": convolutions(
        node("Concat", ["a", "nothing"], ["m"], axis=0), nothing=np.zeros((0, MANY, 8, 8), np.float32)
    ),
    "an input that is an output": lambda: model(
        [node("Gemm", ["x", "w"], ["y"])], {"w": SQUARE}, inputs=[ROW], outputs=[of_any_shape("y"), ROW]
    ),
    "a weight that is an output": lambda: model(
        [node("Gemm", ["x", "w"], ["y"])], {"w": SQUARE},
        inputs=[ROW], outputs=[of_any_shape("y"), value("w", MANY, MANY)],
    ),
    "inner tensors that are outputs": lambda: model(
        [node("Gemm", ["x", "w"], ["a"]), node("Relu", ["a"], ["r"]), node("Gemm", ["r", "w"], ["y"])],
        {"w": SQUARE}, inputs=[ROW], outputs=two_outputs("y", "a", "r"),
    ),
    "a constant output": lambda: model(
        [node("Gemm", ["x", "w"], ["y"]), node("MatMul", ["w", "w"], ["c"])],
        {"w": SQUARE}, inputs=[ROW], outputs=two_outputs("y", "c"),
    ),
    "an input that nobody reads": lambda: model(
        [node("Conv", ["x", "k"], ["y"], **PADS)], {"k": KERNEL}, inputs=[IMAGE, value("unused", "n", 3)]
    ),
    "positions of a MaxPool": lambda: model(
        [
            node("Conv", ["x", "k"], ["a"], **PADS),
            node("MaxPool", ["a"], ["p", "where"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
            node("Conv", ["p", "k"], ["y"], **PADS),
        ],
        {"k": KERNEL}, outputs=two_outputs("y", "where", where=TensorProto.INT64),
    ),
    "parts of a Split": convolutions(
        node("Split", ["a", "sizes"], ["s", "t"], axis=1), node("Concat", ["t", "s"], ["m"], axis=1),
        sizes=np.int64([3, 5]),
    ),
    "Dropout in evaluation mode": convolutions(node("Dropout", ["a"], ["m", "mask"])),
    "weights in Constant nodes": lambda: model(
        [
            node("Constant", [], ["k"], value=numpy_helper.from_array(KERNEL, "inner")),
            node("Constant", [], ["b"], value_floats=BIAS.tolist()),
            node("Conv", ["x", "k", "b"], ["y"], **PADS),
        ],
        {},
    ),
    "weights that constants compute": lambda: model(
        [
            node("Mul", ["flat", "factor"], ["scaled"]),
            node("Reshape", ["scaled", "shape"], ["k"]),
            node("Conv", ["x", "k"], ["y"], **PADS),
        ],
        {"flat": KERNEL.reshape(-1), "factor": np.float32(0.7), "shape": np.int64(KERNEL.shape)},
    ),
    "weights through Identity and Transpose": lambda: model(
        [
            node("Identity", ["w"], ["same"]),
            node("Transpose", ["same"], ["turned"], perm=[1, 0]),
            node("Gemm", ["x", "turned"], ["a"]),
            node("MatMul", ["a", "same"], ["y"]),
        ],
        {"w": SQUARE}, inputs=[ROW],
    ),
    "weights kept in bfloat16": lambda: model(
        [node("Cast", ["half"], ["k"], to=TensorProto.FLOAT), node("Conv", ["x", "k"], ["y"], **PADS)],
        {"half": KERNEL.astype(ml_dtypes.bfloat16)},
    ),
    "a tail in float64": lambda: model(
        [
            node("Gemm", ["x", "w"], ["a"]),
            node("Cast", ["a"], ["d"], to=TensorProto.DOUBLE),
            node("MatMul", ["d", "v"], ["y"], name="tail"),
        ],
        {"w": SQUARE, "v": normal(MANY, 4).astype(np.float64)},
        inputs=[ROW], outputs=[of_any_shape("y", TensorProto.DOUBLE)],
    ),
    "pixels in bytes": lambda: model(
        [
            node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
            node("Div", ["f", "most"], ["a"]),
            node("Conv", ["a", "k"], ["y"], **PADS),
        ],
        {"k": KERNEL, "most": np.float32(255)}, inputs=[value("x", "n", MANY, 8, 8, dtype=TensorProto.UINT8)],
    ),
    "channels that never change": convolutions(
        node("Relu", ["a"], ["m"]),
        k=KERNEL * np.float32([0, 1, 1, 0, 1, 1, 1, 1])[:, None, None, None],
        b=np.float32([3, 0, 0, -4, 0.1, 0.1, 0.1, 0.1]),
    ),
    "a layer of zeros": convolutions(
        node("Conv", ["a", "zeros", "b"], ["m"], **PADS), zeros=np.zeros_like(KERNEL)
    ),
    "weights below the normal floats": convolutions(
        node("Conv", ["a", "tiny", "b"], ["m"], **PADS), tiny=KERNEL * np.float32(1e-40)
    ),
    "a bias that dwarfs its weight": convolutions(
        node("Conv", ["a", "small", "large"], ["m"], **PADS),
        small=KERNEL * np.float32(1e-6), large=BIAS * np.float32(1e6),
    ),
    "an operator of Microsoft's domain": lambda: model(
        [
            node("Gemm", ["x", "w"], ["a"]),
            node("Gelu", ["a"], ["g"], name="gelu", domain="com.microsoft"),
            node("Gemm", ["g", "w"], ["y"]),
        ],
        {"w": SQUARE}, inputs=[ROW], domains=("com.microsoft",),
    ),
    "a sequence": convolutions(
        node("SplitToSequence", ["a", "sizes"], ["s"], name="sequence", axis=1),
        node("ConcatFromSequence", ["s"], ["m"], axis=1), sizes=np.int64([3, 5]),
    ),
    "one tensor twice": convolutions(
        node("Add", ["a", "a"], ["s"]), node("Mul", ["s", "s"], ["m"])
    ),
    "opset 11": lambda: model(
        [node("Conv", ["x", "k"], ["a"], **PADS), node("Clip", ["a", "low", "high"], ["m"]),
         node("Conv", ["m", "k"], ["y"], **PADS)],
        {"k": KERNEL, "low": np.float32(0), "high": np.float32(0.5)}, opset=11,
    ),
    "opset 7": lambda: model(
        [node("Conv", ["x", "k"], ["a"], **PADS), node("Clip", ["a"], ["m"], min=0.0, max=0.5),
         node("Conv", ["m", "k"], ["y"], **PADS)],
        {"k": KERNEL}, opset=7,
    ),
    "opset 21 and values carried to an output": lambda: model(
        [
            node("Conv", ["x", "k"], ["a"], **PADS),
            node("Slice", ["a", "zero", "two", "axes"], ["part"]),
            node("MaxPool", ["a"], ["p"], kernel_shape=[2, 2]),
            node("Conv", ["a", "k"], ["c"], **PADS),
            node("Reshape", ["c", "flat"], ["y"]),
        ],
        {"k": KERNEL, "zero": np.int64([0]), "two": np.int64([2]), "axes": np.int64([1]), "flat": np.int64([0, -1])},
        outputs=two_outputs("y", "part", "p"), opset=21,
    ),
    "the newest opset that the runtime knows": lambda: model(
        [node("Conv", ["x", "k"], ["y"], **PADS)], {"k": KERNEL}, opset=min(onnx.defs.onnx_opset_version(), 25)
    ),
}  # fmt: skip
