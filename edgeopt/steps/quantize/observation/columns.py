"""The columns that meet a layer's weights, drawn at random from a batch of its input (im2col)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.observation.layer import Window, window_of

if TYPE_CHECKING:
    import onnx_ir as ir

Columns = NDArray[np.float32]

# Given a batch of a node's input, its samples, columns wanted per sample (all where there are fewer) and what draws the
# positions: (column, tap, channel) float32, what the weights meet at those positions of the output.
Draw = Callable[[NDArray[Any], int, int, np.random.Generator], Columns]


def columns_of(node: ir.Node) -> Draw:
    """How columns are drawn from the input of a Conv, Gemm or MatMul; a product of matrices has one tap."""
    if node.op_type == "Conv":
        return _Convolution(window=window_of(node)).drawn
    is_turned = "transA" in node.attributes and bool(node.attributes["transA"].as_int())
    return _rows_turned if is_turned else _rows


def _rows(values: NDArray[Any], samples: int, share: int, generator: np.random.Generator) -> Columns:
    width = values.shape[-1]
    count = values.size // max(1, width)
    samples = samples if count % samples == 0 else 1  # an input that the whole batch shares
    rows = values.reshape(samples, count // samples, width)
    drawn = _positions(samples, count // samples, share, generator)
    return np.asarray(rows[np.arange(samples)[:, np.newaxis], drawn].reshape(-1, 1, width), dtype=np.float32)


def _rows_turned(values: NDArray[Any], samples: int, share: int, generator: np.random.Generator) -> Columns:
    return _rows(values.T, samples, share, generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Geometry:
    """A convolution over an input of one size.

    Attributes:
        pads: Zeros before and behind, per spatial axis.
        lengths: Of the padded input, per spatial axis.
        corners: (position,) place of each window's first tap, flat in one padded sample.
        offsets: (tap,) flat distance of each tap from the first.
    """

    pads: tuple[tuple[int, int], ...]
    lengths: tuple[int, ...]
    corners: NDArray[np.int64]
    offsets: NDArray[np.int64]


@dataclass(slots=True, kw_only=True)
class _Convolution:
    window: Window
    _geometries: dict[tuple[int, ...], _Geometry] = field(default_factory=dict)

    def drawn(self, values: NDArray[Any], samples: int, share: int, generator: np.random.Generator) -> Columns:
        samples, channels, *sizes = values.shape
        key = tuple(sizes)
        if key not in self._geometries:
            self._geometries[key] = _geometry(self.window, key)
        geometry = self._geometries[key]
        places = _positions(samples, len(geometry.corners), share, generator)
        starts = np.arange(samples)[:, np.newaxis] * math.prod(geometry.lengths)
        flat = _padded(values, geometry).reshape(-1, channels)
        taps = (starts + geometry.corners[places]).reshape(-1, 1) + geometry.offsets
        return np.asarray(flat.take(taps, axis=0), dtype=np.float32)


def _geometry(window: Window, sizes: tuple[int, ...]) -> _Geometry:
    pads = window.padding(sizes)
    lengths = tuple(size + sum(pad) for size, pad in zip(sizes, pads, strict=True))
    steps = [math.prod(lengths[axis + 1 :]) for axis in range(len(lengths))]
    corners, offsets = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    for axis, step in enumerate(steps):
        starts = np.arange(0, max(0, lengths[axis] - window.spans[axis] + 1), window.strides[axis])
        corners = np.add.outer(corners, starts * step).reshape(-1)
        offsets = np.add.outer(offsets, np.arange(window.kernel[axis]) * window.dilations[axis] * step).reshape(-1)
    return _Geometry(pads=pads, lengths=lengths, corners=corners, offsets=offsets)


def _padded(values: NDArray[Any], geometry: _Geometry) -> NDArray[Any]:
    """(sample, ..., channel): the input with zeros around it, channels last."""
    last = values.transpose(0, *range(2, values.ndim), 1)
    if not any(sum(pad) for pad in geometry.pads):
        return np.ascontiguousarray(last)
    padded = np.zeros((len(values), *geometry.lengths, values.shape[1]), dtype=values.dtype)
    inner = tuple(
        slice(before, length - behind) for (before, behind), length in zip(geometry.pads, geometry.lengths, strict=True)
    )
    padded[:, *inner] = last
    return padded


def _positions(samples: int, count: int, share: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(sample, drawn) positions below `count`, one in each of `share` equal stretches."""
    if count <= share:
        return np.broadcast_to(np.arange(count), (samples, count))
    jittered = np.arange(share) + generator.random((samples, share))
    return np.minimum((jittered * (count / share)).astype(np.int64), count - 1)
