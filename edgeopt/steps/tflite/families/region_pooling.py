"""MaxRoiPool: the largest element of each bin of regions that are known before the model runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.pieces import floats, reduced
from edgeopt.steps.tflite.families.samples import image_rows
from edgeopt.steps.tflite.families.taps import OUTSIDE, Indices, read_taps
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View, channels_last


def max_roi_pool(node: Node, net: Lowering) -> None:
    """MaxRoiPool with constant regions: each bin reads its elements by a table; an empty bin is 0."""
    view = floats(net, node.input(0))
    regions = net.required_constant(1, "list of regions").astype(np.float64)
    bins = tuple(int(length) for length in node.attribute("pooled_shape"))
    scale = float(node.attribute("spatial_scale", 1.0))
    found = [places for region in regions for places in _of_region(region, scale, bins, view.shape)]
    rows, _ = image_rows(net, view)
    read = read_taps(net, net.reshape(rows, (1, *rows.shape)), _table(found))
    made = reduced(net, "REDUCE_MAX", read, (2,), keeps=False)
    made = net.reshape(made, (len(regions), *bins, view.shape[1]))
    net.bind_view(node.output(0), View(tensor=made, axes=channels_last(4), dtype=view.dtype))


def _of_region(
    region: NDArray[np.float64], scale: float, bins: tuple[int, ...], shape: tuple[int, ...]
) -> list[Indices]:
    """Places in all images, one behind the other, that each bin of a region (image, x1, y1, x2, y2) covers."""
    batch, (height, width) = int(region[0]), shape[2:]
    rows, columns = (
        _spans(region[[first, first + 2]], scale, count, length)
        for first, count, length in ((2, bins[0], height), (1, bins[1], width))
    )
    return [
        (batch * height * width + np.add.outer(np.arange(*down) * width, np.arange(*across))).reshape(-1)
        for down in rows
        for across in columns
    ]


def _spans(ends: NDArray[np.float64], scale: float, count: int, length: int) -> list[tuple[int, int]]:
    """(start, end) of each of `count` bins between two ends, both of which belong to the region."""
    start, end = (int(np.copysign(np.floor(abs(each * scale) + 0.5), each)) for each in ends)
    size = max(end - start + 1, 1) / count
    spans = ((np.floor(place * size) + start, np.ceil((place + 1) * size) + start) for place in range(count))
    return [(int(np.clip(first, 0, length)), int(np.clip(last, 0, length))) for first, last in spans]


def _table(found: list[Indices]) -> Indices:
    """(bin, most) places per bin: the first repeated where there are fewer, `OUTSIDE` (which reads 0) where none is."""
    most = max((len(places) for places in found), default=1) or 1
    table = np.full((len(found), most), OUTSIDE, np.int64)
    for row, places in zip(table, found, strict=True):
        if len(places):
            row[:] = places[0]
            row[: len(places)] = places
    return table
