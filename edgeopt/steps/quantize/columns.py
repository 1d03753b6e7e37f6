"""The columns that meet a layer's weights, drawn at random from a batch of its input (im2col)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.layer import window_of

if TYPE_CHECKING:
    import onnx_ir as ir

Columns = NDArray[np.float32]


def drawn_columns(
    node: ir.Node, values: NDArray[Any], samples: int, share: int, generator: np.random.Generator
) -> Columns:
    """(column, tap, channel) float32: what the weights of `node` meet at positions of its output.

    Args:
        node: A Conv, Gemm or MatMul; a product of matrices has one tap.
        values: A batch of the node's input.
        samples: Samples in the batch.
        share: Columns wanted per sample; all of them where there are fewer.
        generator: Draws the positions, one in each of `share` equal stretches of the output.
    """
    if node.op_type == "Conv":
        return _of_convolution(node, values, share, generator)
    if "transA" in node.attributes and node.attributes["transA"].as_int():
        values = values.T
    width = values.shape[-1]
    count = values.size // max(1, width)
    samples = samples if count % samples == 0 else 1  # an input that the whole batch shares
    rows = values.reshape(samples, count // samples, width)
    drawn = _positions(samples, count // samples, share, generator)
    return np.asarray(rows[np.arange(samples)[:, np.newaxis], drawn].reshape(-1, 1, width), dtype=np.float32)


def _of_convolution(node: ir.Node, values: NDArray[Any], share: int, generator: np.random.Generator) -> Columns:
    window = window_of(node)
    samples, channels, *sizes = values.shape
    pads = window.padding(tuple(sizes))
    padded = np.pad(np.moveaxis(values, 1, -1), [(0, 0), *pads, (0, 0)])
    lengths = padded.shape[1:-1]
    outputs = tuple(
        max(0, (length - span) // stride + 1)
        for length, span, stride in zip(lengths, window.spans, window.strides, strict=True)
    )
    drawn = _positions(samples, int(np.prod(outputs)), share, generator)
    places = np.unravel_index(drawn, outputs)
    corners = np.ravel_multi_index(
        (
            np.arange(samples)[:, np.newaxis],
            *(place * step for place, step in zip(places, window.strides, strict=True)),
        ),
        (samples, *lengths),
    )
    taps = np.indices(window.kernel).reshape(len(sizes), -1) * np.reshape(window.dilations, (-1, 1))
    offsets = np.ravel_multi_index((np.zeros(taps.shape[1], dtype=np.int64), *taps), (samples, *lengths))
    flat = padded.reshape(-1, channels)
    return np.asarray(flat.take(corners.reshape(-1, 1) + offsets, axis=0), dtype=np.float32)


def _positions(samples: int, count: int, share: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(sample, drawn) positions below `count`, spread evenly."""
    if count <= share:
        return np.broadcast_to(np.arange(count), (samples, count))
    jittered = np.arange(share) + generator.random((samples, share))
    return np.minimum((jittered * (count / share)).astype(np.int64), count - 1)
