"""First and second moments of the columns that meet each layer's weights, in one streaming pass.

With x a column and dW an error of the weights, the layer's output is off by dW x, so E[x x^T] alone tells how much
squared error every possible rounding makes: E|dW x|^2 = tr(dW E[x x^T] dW^T).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Dataset
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.observation.activations import activations
from edgeopt.steps.quantize.observation.columns import Columns, columns_of
from edgeopt.steps.quantize.observation.layer import group_count, layer_matrix
from edgeopt.steps.quantize.placement.place import node_name
from edgeopt.steps.quantize.rounding.blas import single_threaded

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir


# Columns per input beyond which GPTQ gains nothing, and the fewest that serve narrow layers. ResNet-20, whose layers
# have up to 576 inputs, reaches 45.8 dB with 512 columns, 47.0 with 1024, 47.7 with 2048, 48.2 with 4096 and with 8192;
# kws_dscnn, of 9 to 64 inputs, is as good with 1024 as with 16384.
ROWS_PER_INPUT = 8
_LEAST_ROWS = 1024
_WAITING_BYTES = 1 << 19  # more of them, from many samples, cost memory and gain no time


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Moments of the columns x that meet a layer's weights.

    A wide layer is cut into blocks of input channels, and products across blocks are not kept.

    Attributes:
        second: (group, block, input, input) float32, E[x x^T]; one block holds all inputs of a narrow layer.
        mean: (group, input) float64, E[x], over all inputs.
        columns: Columns seen.
    """

    second: NDArray[np.float32]
    mean: NDArray[np.float64]
    columns: int

    @property
    def diagonal(self) -> NDArray[np.float32]:
        """(group, input): E[x^2] of each input."""
        groups, _, width, _ = self.second.shape
        return self.second[..., np.arange(width), np.arange(width)].reshape(groups, -1)

    def centred(self) -> Moments:
        """Moments about the mean: E[(x - m)(x - m)^T], the error that is left once the bias takes up dW m."""
        groups, blocks, width, _ = self.second.shape
        mean = self.mean.reshape(groups, blocks, width).astype(np.float32)
        second = self.second - mean[..., :, np.newaxis] * mean[..., np.newaxis, :]
        return Moments(second=second, mean=np.zeros_like(self.mean), columns=self.columns)


@single_threaded()
def second_moments(
    model: onnx.ModelProto,
    nodes: Sequence[ir.Node],
    data: Dataset,
    *,
    rows: int = 8192,
    rows_per_input: int = ROWS_PER_INPUT,
    largest: int = 512,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Moments]:
    """Moments by name of the node (`place.node_name`).

    Args:
        model: The folded model.
        nodes: Conv, Gemm and MatMul nodes of its main graph, with constant weights.
        data: Samples bound to the model's inputs, at least one.
        rows: Most columns that a layer sees in all, about: positions of its output drawn at random, equally many of
            each sample and at least one, all where there are fewer.
        rows_per_input: Columns that are enough, per input of a block.
        largest: Inputs of a block. A layer with more per group is cut into blocks of whole channels.
        seed: Of the draw.
        progress: Called with (done, total) samples.

    Returns:
        A layer whose squares overflow float32 is left out.

    Raises:
        InputError: The model fails on the samples.
    """
    generator = np.random.default_rng(seed)
    sums = [_Sums(node, largest) for node in nodes]
    shares = [math.ceil(min(rows, max(_LEAST_ROWS, rows_per_input * total.width)) / len(data)) for total in sums]
    draws = [columns_of(node) for node in nodes]
    names = [_input_name(node) for node in nodes]
    with np.errstate(over="ignore", invalid="ignore"):
        for samples, values in activations(model, names, data, progress=progress):
            for name, draw, share, total in zip(names, draws, shares, sums, strict=True):
                total.add(draw(values[name], samples, share, generator))
            values.clear()  # before the next batch comes
            if sum(total.waiting_bytes for total in sums) > _WAITING_BYTES:
                for total in sums:
                    total.multiply()
        found = {node_name(node): total.moments() for node, total in zip(nodes, sums, strict=True)}
    return {name: moments for name, moments in found.items() if np.isfinite(moments.second).all()}


class _Sums:
    """Sums of one layer's columns and of their products.

    While they grow, the inputs of a block are ordered by tap, then by channel, as columns come out of memory.
    """

    def __init__(self, node: ir.Node, largest: int) -> None:
        self.groups = group_count(node)
        inputs = layer_matrix(node).shape[2]
        self.taps = math.prod(_kernel(node))
        self.channels = inputs // self.taps
        self.blocks = self.channels // _block_channels(self.channels, self.taps, largest)
        self.width = inputs // self.blocks
        self.products = np.zeros((self.groups * self.blocks, self.width, self.width), dtype=np.float32)
        self.sums = np.zeros((self.taps, self.groups * self.channels), dtype=np.float64)
        self.count = 0
        self.waiting: list[Columns] = []

    @property
    def waiting_bytes(self) -> int:
        """Size of the columns that wait to be multiplied."""
        return sum(columns.nbytes for columns in self.waiting)

    def add(self, columns: Columns) -> None:
        """Add (column, tap, channel) columns of all groups; their products wait, as few cost as much as many."""
        self.sums += columns.sum(axis=0, dtype=np.float64)
        self.count += len(columns)
        self.waiting.append(columns)

    def multiply(self) -> None:
        """Add the products of all columns that wait."""
        if not self.waiting:
            return
        columns, parts = np.concatenate(self.waiting), len(self.products)
        self.waiting.clear()
        if parts == 1:
            rows = columns.reshape(len(columns), self.width)
            self.products[0] += rows.T @ rows
            return
        stacked = columns.reshape(len(columns), self.taps, parts, -1).transpose(2, 1, 3, 0)
        turned = np.ascontiguousarray(stacked).reshape(parts, self.width, len(columns))
        self.products += turned @ turned.transpose(0, 2, 1)

    def moments(self) -> Moments:
        """The moments so far, inputs in the order of the layer's matrix: by channel, then by tap."""
        self.multiply()
        count = max(1, self.count)
        parts, width, _ = self.products.shape
        channels = width // self.taps
        products = self.products.reshape(parts, self.taps, channels, self.taps, channels).transpose(0, 2, 1, 4, 3)
        second = np.ascontiguousarray(products).reshape(self.groups, self.blocks, width, width)
        second /= np.float32(count)
        mean = self.sums.T.reshape(self.groups, -1) / count
        return Moments(second=second, mean=mean, columns=self.count)


def _block_channels(channels: int, taps: int, largest: int) -> int:
    """Channels per block: the largest divisor of `channels` whose inputs, `taps` per channel, are at most `largest`."""
    fitting = max(1, largest // taps)
    return next(size for size in range(min(channels, fitting), 0, -1) if channels % size == 0)


def _kernel(node: ir.Node) -> tuple[int, ...]:
    weight = node.inputs[1]
    assert weight is not None
    assert weight.const_value is not None
    return tuple(weight.const_value.shape.numpy())[2:] if node.op_type == "Conv" else ()


def _input_name(node: ir.Node) -> str:
    assert node.inputs[0] is not None
    return str(node.inputs[0].name)


def shared_moments(nodes: Sequence[ir.Node], moments: Mapping[str, Moments]) -> dict[str, Moments]:
    """`moments` by node, those of nodes that read one weight pooled: it is rounded once, for all of them.

    Nodes that read one weight in different ways, as a Gemm and its transpose, keep their own.
    """
    readers: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for node in nodes:
        found, weight = moments.get(node_name(node)), node.inputs[1]
        if found is not None and weight is not None:
            readers.setdefault((str(weight.name), found.second.shape), []).append(node_name(node))
    return {name: pooled([moments[one] for one in names]) for names in readers.values() for name in names}


def pooled(parts: Sequence[Moments]) -> Moments:
    """The moments of all columns of `parts`, which are of one shape."""
    if len(parts) == 1:
        return parts[0]
    columns = sum(part.columns for part in parts)
    shares = [part.columns / max(1, columns) for part in parts]
    second = sum((part.second * np.float32(share) for part, share in zip(parts, shares, strict=True)), np.float32(0))
    mean = sum((part.mean * share for part, share in zip(parts, shares, strict=True)), np.float64(0))
    return Moments(second=np.asarray(second), mean=np.asarray(mean), columns=columns)
