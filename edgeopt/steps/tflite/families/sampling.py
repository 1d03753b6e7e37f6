"""GridSample, AffineGrid and RoiAlign: what reads at places that the model computes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.pieces import combined, floats, reduced, sliced
from edgeopt.steps.tflite.families.samples import (
    Range,
    Taps,
    component,
    crossed,
    image_rows,
    of_image,
    summed,
    taps_of,
    weighed,
)
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View, channels_last

_MODES = {"bilinear": "linear", "bicubic": "cubic"}  # names of opsets before 20


def grid_sample(node: Node, net: Lowering) -> None:
    """GridSample over any number of axes, nearest, linear or cubic."""
    view = floats(net, node.input(0))
    grid = net.tensor(node.input(1))
    lengths = view.shape[2:]
    mode, aligns = node.attribute("mode", "linear"), bool(node.attribute("align_corners", 0))
    axes: list[Taps] = []
    for axis, length in enumerate(lengths):
        where = _in_elements(net, component(net, grid, len(lengths) - 1 - axis), length, aligns=aligns)
        ends = (0.0, length - 1.0) if aligns else (-0.5, length - 0.5)
        along = Range(length=length, padding=node.attribute("padding_mode", "zeros"), lowest=ends[0], highest=ends[1])
        axes.append(taps_of(net, where, along, _MODES.get(mode, mode)))
    rows, size = image_rows(net, view)
    found = summed(net, weighed(net, rows, of_image(net, crossed(net, axes, lengths), size)))
    made = net.reshape(found, (*grid.shape[:-1], view.shape[1]))
    net.bind_view(node.output(0), View(tensor=made, axes=channels_last(view.rank), dtype=view.dtype))


def _in_elements(net: Lowering, where: Tensor, length: int, *, aligns: bool) -> Tensor:
    """Places from -1 to 1 in units of elements."""
    shifted = combined(net, "ADD", where, 1.0)
    if aligns:
        return combined(net, "MUL", shifted, (length - 1) / 2)
    return combined(net, "MUL", combined(net, "SUB", combined(net, "MUL", shifted, float(length)), 1.0), 0.5)


def affine_grid(node: Node, net: Lowering) -> None:
    """AffineGrid with a constant size: the plain grid times the matrices."""
    batch, _, *lengths = (int(length) for length in net.required_constant(1, "size"))
    matrices = net.tensor(node.input(0))
    aligns, rank = bool(node.attribute("align_corners", 0)), len(lengths)
    steps = [np.linspace(-1, 1, n) if aligns else (2 * np.arange(n) + 1) / n - 1 for n in lengths]
    places = np.stack([*np.meshgrid(*steps, indexing="ij")][::-1], axis=-1).reshape(1, -1, rank)
    plain = np.concatenate([places, np.ones((1, places.shape[1], 1))], axis=2).astype(np.float32)
    made = net.add(
        "BATCH_MATMUL",
        (net.new_constant(plain, name="grid"), matrices),
        (batch, plain.shape[1], rank),
        options=options("BatchMatMulOptions", adjY=True),
    )
    net.bind(node.output(0), net.reshape(made, (batch, *lengths, rank)))


def roi_align(node: Node, net: Lowering) -> None:
    """RoiAlign with a given number of samples per bin."""
    view = floats(net, node.input(0))
    samples = int(node.attribute("sampling_ratio", 0))
    if not samples:
        raise Refused("takes as many samples as a region is large", rewrite="sampling_ratio of 1 or more")
    bins = (int(node.attribute("output_height", 1)), int(node.attribute("output_width", 1)))
    regions, (height, width) = net.tensor(node.input(1)), view.shape[2:]
    is_aligned = node.attribute("coordinate_transformation_mode", _default_alignment(net)) == "half_pixel"
    points = _points(bins, samples)
    axes, inside = [], []
    for place, length, count in ((1, height, bins[0]), (0, width, bins[1])):
        where = _region_places(node, net, regions, place, points[1 - place] / count, is_aligned=is_aligned)
        reaches = (combined(net, "GREATER_EQUAL", where, -1.0), combined(net, "LESS_EQUAL", where, float(length)))
        inside += [net.cast(each, "float32") for each in reaches]
        axes.append(taps_of(net, where, Range(length=length, padding="border"), "linear"))
    rows, size = image_rows(net, view)
    taps = crossed(net, axes, (height, width))
    if view.shape[0] > 1:
        images = net.cast(net.tensor(node.input(2)), "int32")
        starts = combined(net, "MUL", net.reshape(images, (images.shape[0], 1, 1)), size)
        taps = Taps(places=combined(net, "ADD", taps.places, starts), weights=taps.weights)
    values = weighed(net, rows, taps)
    is_inside = inside[0]
    for each in inside[1:]:
        is_inside = combined(net, "MUL", is_inside, each)
    made = _pooled(node, net, values, net.reshape(is_inside, (*is_inside.shape, 1)), samples * samples)
    made = net.reshape(made, (regions.shape[0], *bins, view.shape[1]))
    net.bind_view(node.output(0), View(tensor=made, axes=channels_last(4), dtype=view.dtype))


def _default_alignment(net: Lowering) -> str:
    return "half_pixel" if net.source.opset >= 16 else "output_half_pixel"


def _points(bins: tuple[int, int], samples: int) -> NDArray[np.float64]:
    """(2, points) rows and columns of all samples in units of bins; those of one bin follow one another."""
    inner = (np.arange(samples) + 0.5) / samples
    rows, columns, down, across = np.meshgrid(np.arange(bins[0]), np.arange(bins[1]), inner, inner, indexing="ij")
    return np.stack([(rows + down).reshape(-1), (columns + across).reshape(-1)])


def _region_places(
    node: Node, net: Lowering, regions: Tensor, place: int, shares: NDArray[np.float64], *, is_aligned: bool
) -> Tensor:
    """(region, point) where points lie along an axis, given as shares of a region from `place` to `place + 2`."""
    scale, offset = float(node.attribute("spatial_scale", 1.0)), 0.5 if is_aligned else 0.0
    ends = []
    for index in (place, place + 2):
        column = sliced(net, regions, (0, index), (regions.shape[0], 1))
        ends.append(combined(net, "SUB", combined(net, "MUL", column, scale), offset))
    span = combined(net, "SUB", ends[1], ends[0])
    if not is_aligned:
        span = combined(net, "MAXIMUM", span, 1.0)
    along = net.new_constant(shares.astype(np.float32).reshape(1, -1), name="shares")
    return combined(net, "ADD", ends[0], combined(net, "MUL", span, along))


def _pooled(node: Node, net: Lowering, values: Tensor, inside: Tensor, samples: int) -> Tensor:
    """(region, bin, channel): the mean of samples, or the largest weighed neighbour of any."""
    regions, _, points, channels = values.shape
    is_mean = node.attribute("mode", "avg") == "avg"
    each = summed(net, values) if is_mean else reduced(net, "REDUCE_MAX", values, (1,), keeps=False)
    each = combined(net, "MUL", each, inside)
    each = net.reshape(each, (regions, points // samples, samples, channels))
    return reduced(net, "MEAN" if is_mean else "REDUCE_MAX", each, (2,), keeps=False)
