"""Which layers pay in int8? Times small networks with one layer in int8 and in float, on this machine.

    python benchmarks/layers_in_int8.py [--write] [--only WORD ...]

Every network is int8 around the layer, so that what the layer saves or costs at its borders counts. The rules of
edgeopt/steps/quantize/placement/sizes.py and types.py rest on these figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper
from places import RESULTS
from record import write_result

from edgeopt.core.target import host_target
from edgeopt.graph.rewrite.order import with_shapes
from edgeopt.steps.quantize.affine import activation_parameters
from edgeopt.steps.quantize.placement.place import place
from edgeopt.steps.quantize.placement.race import race, session_of
from edgeopt.steps.quantize.types import int8_types
from edgeopt.steps.quantize.write import Writer

SECONDS = 0.5
node = helper.make_node


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One network around one layer.

    Attributes:
        name: What it is.
        shape: Of the input, with the batch.
        nodes: The network, from `x` to `y`.
        weights: Constants by name.
        layers: Names of the nodes that are int8 in one model and float in the other.
        always_float: Names of nodes that are float in both.
    """

    name: str
    shape: tuple[int, ...]
    nodes: list[Any]
    weights: dict[str, Any]
    layers: tuple[str, ...] = ("layer",)
    always_float: tuple[str, ...] = ()


def normal(*shape: int) -> Any:
    """Weights that keep activations near 1."""
    fan = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
    return (np.random.default_rng(sum(shape)).standard_normal(shape) / np.sqrt(fan)).astype(np.float32)


def stem(channels: int, kernel: int, stride: int, width: int, side: int, *, is_pooled: bool = False) -> Layer:
    """The first convolution of a network, behind it a MaxPool if asked, and a pointwise convolution."""
    pads = [(kernel - 1) // 2] * 4 if kernel % 2 else [0] * 4
    nodes = [
        node("Conv", ["x", "first", "bias"], ["a"], name="layer", strides=[stride] * 2, pads=pads),
        node("Relu", ["a"], ["b"], name="relu"),
        *([node("MaxPool", ["b"], ["m"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)] if is_pooled else []),
        node("Conv", ["m" if is_pooled else "b", "next"], ["c"], name="next"),
        node("GlobalAveragePool", ["c"], ["y"], name="end"),
    ]
    weights = {"first": normal(width, channels, kernel, kernel), "next": normal(width, width, 1, 1)}
    name = f"stem {kernel}x{kernel}/{stride}, {channels} to {width} channels, {side}x{side}"
    return Layer(
        name=name + (", MaxPool behind it" if is_pooled else ""),
        shape=(1, channels, side, side),
        nodes=nodes,
        weights={**weights, "bias": np.zeros(width, np.float32)},
    )


def between(name: str, channels: int, side: int, layers: list[Any], **weights: Any) -> Layer:
    """`layers`, from `b` to `c`, between two pointwise convolutions."""
    nodes = [
        node("Conv", ["x", "first"], ["a"], name="first"),
        node("Relu", ["a"], ["b"], name="relu"),
        *layers,
        node("Conv", ["c", "last"], ["d"], name="last"),
        node("GlobalAveragePool", ["d"], ["y"], name="end"),
    ]
    own = {"first": normal(channels, 32, 1, 1), "last": normal(32, channels, 1, 1), **weights}
    return Layer(
        name=f"{name}, {channels} channels, {side}x{side}", shape=(1, 32, side, side), nodes=nodes, weights=own
    )


def depthwise(channels: int, side: int, *, is_behind_float: bool = False) -> Layer:
    """A depthwise 3x3 convolution, behind an integer convolution or a float one."""
    layer = node("Conv", ["b", "w"], ["c"], name="layer", group=channels, pads=[1] * 4)
    name = "depthwise 3x3 behind a float convolution" if is_behind_float else "depthwise 3x3"
    found = between(name, channels, side, [layer], w=normal(channels, 1, 3, 3))
    return replace(found, always_float=("first",)) if is_behind_float else found


def pool(operator: str, side: int, **attributes: Any) -> Layer:
    """A pool over 64 channels."""
    windows = "x".join(map(str, attributes.get("kernel_shape", ["all"])))
    return between(f"{operator} {windows}", 64, side, [node(operator, ["b"], ["c"], name="layer", **attributes)])


def attention(length: int, *, heads: int = 4, width: int = 64) -> Layer:
    """Both products of attention, between dense layers."""
    split, joined = np.array([1, length, heads, width]), np.array([1, length, heads * width])
    nodes: list[Any] = []
    for part, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            node("MatMul", ["x", f"w_{part}"], [f"{part}_1"], name=f"dense_{part}"),
            node("Reshape", [f"{part}_1", "split"], [f"{part}_2"]),
            node("Transpose", [f"{part}_2"], [part], perm=perm),
        ]
    nodes += [
        node("MatMul", ["q", "k"], ["s"], name="scores"),
        node("Softmax", ["s"], ["p"], axis=-1),
        node("MatMul", ["p", "v"], ["o"], name="mix"),
        node("Transpose", ["o"], ["o_1"], perm=[0, 2, 1, 3]),
        node("Reshape", ["o_1", "joined"], ["o_2"]),
        node("MatMul", ["o_2", "w_o"], ["y"], name="dense_o"),
    ]
    square = heads * width
    weights = {f"w_{part}": normal(square, square) for part in "qkvo"}
    return Layer(
        name=f"attention's products, {heads} heads of {width}, length {length}",
        shape=(1, length, square),
        nodes=nodes,
        weights={**weights, "split": split, "joined": joined},
        layers=("scores", "mix"),
    )


def layers() -> Iterator[Callable[[], Layer]]:
    """Every network that is timed."""
    for channels in (1, 3):
        for kernel, stride, width, side in ((3, 1, 16, 32), (3, 2, 32, 96), (3, 2, 32, 224), (5, 2, 32, 96)):
            yield partial(stem, channels, kernel, stride, width, side)
        for kernel, stride, width, side in ((7, 2, 64, 96), (7, 2, 64, 224), (4, 4, 192, 32), (16, 16, 192, 224)):
            yield partial(stem, channels, kernel, stride, width, side)
        yield partial(stem, channels, 3, 2, 64, 224, is_pooled=True)
        yield partial(stem, channels, 7, 2, 64, 224, is_pooled=True)
    for side in (56, 14):
        for channels in (8, 16, 24, 32, 40, 64, 72, 96, 120, 144, 192):
            yield partial(depthwise, channels, side)
    for channels in (8, 16, 32, 64, 96):
        yield partial(depthwise, channels, 56, is_behind_float=True)
    for side in (28, 8):
        yield partial(pool, "AveragePool", side, kernel_shape=[3, 3], pads=[1] * 4)
        yield partial(pool, "AveragePool", side, kernel_shape=[2, 2], strides=[2, 2])
        yield partial(pool, "AveragePool", side, kernel_shape=[side // 2] * 2, strides=[side // 2] * 2)
        yield partial(pool, "AveragePool", side, kernel_shape=[side, side])
        yield partial(pool, "GlobalAveragePool", side)
        yield partial(pool, "MaxPool", side, kernel_shape=[2, 2], strides=[2, 2])
    for length in (65, 128, 197, 256, 384, 512):
        yield partial(attention, length)


def model_of(layer: Layer) -> onnx.ModelProto:
    """The float model."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, layer.shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    constants = [numpy_helper.from_array(array, name) for name, array in layer.weights.items()]
    graph = helper.make_graph(layer.nodes, "layer", inputs, outputs, constants)
    return with_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))


def int8_of(model: onnx.ModelProto, keep_float: Sequence[str]) -> onnx.ModelProto:
    """The int8 model without rules of size, in which some nodes stay float; ranges are those of normal values."""
    types, intermediate = int8_types(host_target()), ir.serde.deserialize_model(model)
    placement = place(intermediate.graph, keep_float=dict.fromkeys(keep_float, "compared"), pooled_positions=inf)
    normal_range = activation_parameters(-4.0, 4.0, types)
    parameters = {placement.root(name): normal_range for name in placement.tensors}
    Writer(graph=intermediate.graph, placement=placement, parameters=parameters, types=types, per_channel=True).write()
    return ir.serde.serialize_model(intermediate)


def main() -> None:
    """Time every network, with its layer in int8 and in float, and as a whole in float."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/results/layers-in-int8.md")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="WORD", help="networks whose names hold one of these"
    )
    options = parser.parse_args()
    rows = []
    for make in layers():
        layer = make()
        if not any(word in layer.name for word in options.only):
            continue
        model = model_of(layer)
        feeds = {"x": np.random.default_rng(0).standard_normal(layer.shape).astype(np.float32)}
        models = [int8_of(model, layer.always_float), int8_of(model, layer.always_float + layer.layers), model]
        timed = race([session_of(each, threads=1) for each in models], feeds, budget_seconds=SECONDS)
        micros = [f"{timed.quick(index) * 1e6:.0f}" for index in range(3)]
        rows.append((layer.name, *micros, f"{timed.quick(1) / timed.quick(0):.2f}x"))
        print(*rows[-1], sep=" | ", flush=True)
    if options.write:
        write_result(
            RESULTS / "layers-in-int8.md",
            title="Layers that pay in int8, and layers that do not",
            about=(
                "Time of small networks on ONNX Runtime, one thread, by turns in one process: lower quartiles, which "
                "other processes disturb least. All of a network is int8 but its layer. Where the last column "
                "is below 1, the layer is better left float."
            ),
            header=("layer", "in int8, µs", "in float, µs", "all in float, µs", "speed by int8"),
            rows=rows,
        )


if __name__ == "__main__":
    main()
