"""NonMaxSuppression.

TFLite's NON_MAX_SUPPRESSION_V4 (reference/non_max_suppression.h) differs from ONNX's operator in four ways, each made
good here: it suppresses at the threshold too, gives equal scores no order, takes a box without area again and again
(that box does not overlap itself), and pads its result.
"""

from __future__ import annotations

import numpy as np

from edgeopt.steps.tflite.families.carrying import carried
from edgeopt.steps.tflite.families.joining import joined
from edgeopt.steps.tflite.families.picking import places_where, taken
from edgeopt.steps.tflite.families.slicing import Span, cut, whole
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View


def non_max_suppression(node: Node, net: Lowering) -> None:
    """NonMaxSuppression: NON_MAX_SUPPRESSION_V4 per batch and class, on boxes in the order of their scores."""
    boxes, scores = net.tensor(node.input(0)), net.tensor(node.input(1))
    batches, classes, count = scores.shape
    most = min(int(_number(net, 2, "max_output_boxes_per_class", 0)), count)
    if most <= 0 or not scores.elements:
        net.bind(node.output(0), net.new_constant(np.zeros((0, 3), np.int64), name=node.output(0)))
        return
    overlap = np.float32(_number(net, 3, "iou_threshold", 0))
    if overlap >= 1:
        raise Refused("keeps boxes of any overlap", rewrite="TopK of the scores")
    corners = _with_area(net, _corners(net, boxes) if node.attribute("center_point_box", 0) else boxes)
    ranks, order = _ranked(net, scores, _number(net, 4, "score_threshold", None))
    places, counts = _suppressed(net, corners, ranks, order, most=most, overlap=overlap)
    rows = classes * batches
    chosen = carried(
        net,
        "GATHER",
        (net.reshape(order, (rows, count)), places),
        (rows, most),
        options=options("GatherOptions", axis=1, batchDims=1),
    )
    number = np.arange(batches * classes, dtype=np.int32).repeat(most)
    front = np.stack([number // classes, number % classes], axis=1).astype(np.int32)
    columns = [net.new_constant(front, name="batch_and_class"), net.reshape(chosen, (rows * most, 1))]
    table = joined(net, columns, 1, (rows * most, 3))
    steps = net.new_constant(np.arange(most, dtype=np.int32).reshape(1, -1), name="steps")
    is_chosen = net.add("LESS", (steps, counts), (rows, most), dtype="bool", options=options("LessOptions"))
    found = taken(net, table, places_where(net, net.reshape(is_chosen, (rows * most,))), 0)
    net.bind_view(node.output(0), View(tensor=net.cast(found, "int64"), axes=(0, 1), dtype="int64"))


def _number(net: Lowering, position: int, what: str, default: float | None) -> float:
    value = net.optional_constant(position, what)
    if value is None:
        return float(-np.inf if default is None else default)
    return float(value.reshape(-1)[0])


def _corners(net: Lowering, boxes: Tensor) -> Tensor:
    """Boxes (center x, center y, width, height) as (y1, x1, y2, x2)."""
    x, y, width, height = (_column(net, boxes, place) for place in range(4))
    half = net.scalar(0.5)
    edges: list[Tensor] = []
    for kind in ("SUB", "ADD"):
        for center, length in ((y, height), (x, width)):
            reach = net.add("MUL", (length, half), length.shape, options=options("MulOptions"))
            table = options("SubOptions" if kind == "SUB" else "AddOptions")
            edges.append(net.add(kind, (center, reach), center.shape, options=table))
    return joined(net, edges, 2, boxes.shape)


def _column(net: Lowering, boxes: Tensor, place: int) -> Tensor:
    spans = [*(whole(length) for length in boxes.shape[:2]), Span(start=place, step=1, length=1)]
    return cut(net, _plain(boxes), spans).tensor


def _plain(tensor: Tensor) -> View:
    return View(tensor=tensor, axes=tuple(range(len(tensor.shape))), dtype=tensor.dtype)


def _with_area(net: Lowering, boxes: Tensor) -> Tensor:
    """`boxes` with those of no area moved to places where they overlap nothing but themselves, as those never do."""
    batches, count, _ = boxes.shape
    top, left, bottom, right = (_column(net, boxes, place) for place in range(4))
    column = (batches, count, 1)
    height = net.add("SUB", (bottom, top), column, options=options("SubOptions"))
    width = net.add("SUB", (right, left), column, options=options("SubOptions"))
    area = net.add("MUL", (height, width), column, options=options("MulOptions"))
    is_flat = net.add("EQUAL", (area, net.scalar(0.0)), column, dtype="bool", options=options("EqualOptions"))
    size = net.add("ABS", (boxes,), boxes.shape, options=options("AbsOptions"))
    axes = net.new_constant(np.arange(3, dtype=np.int32), name="axes")
    reach = net.add("REDUCE_MAX", (size, axes), (1, 1, 1), options=options("ReducerOptions", keepDims=True))
    beyond = net.add("ADD", (reach, net.scalar(1.0)), (1, 1, 1), options=options("AddOptions"))
    rows = net.new_constant(np.array([[[1, 0, 2, 0]]], np.float32), name="rows")
    steps = np.zeros((1, count, 4), np.float32)
    steps[0, :, 1] = 2 * np.arange(count)
    steps[0, :, 3] = 2 * np.arange(count) + 1
    heights = net.add("MUL", (rows, beyond), (1, 1, 4), options=options("MulOptions"))
    columns = net.new_constant(steps, name="columns")
    away = net.add("ADD", (heights, columns), (1, count, 4), options=options("AddOptions"))
    inputs = (is_flat, away, boxes)
    return net.add("SELECT_V2", inputs, boxes.shape, dtype="float32", options=options("SelectV2Options"))


def _ranked(net: Lowering, scores: Tensor, lowest: float) -> tuple[Tensor, Tensor]:
    """((batch, class, place) rank, 0 at or below the score `lowest`, box at each place) from the best score down."""
    count = scores.shape[-1]
    values = net.new_tensor(scores.shape, dtype="float32")
    order = net.new_tensor(scores.shape, dtype="int32")
    k = net.new_constant(np.array(count, np.int32), name="k")
    net.add_operation("TOPK_V2", (scores, k), (values, order), options=options("TopKV2Options"))
    ranks = net.new_constant(np.arange(count, 0, -1, dtype=np.float32).reshape(1, 1, -1), name="ranks")
    is_above = net.add(
        "GREATER", (values, net.scalar(lowest)), scores.shape, dtype="bool", options=options("GreaterOptions")
    )
    inputs = (is_above, ranks, net.scalar(0.0))
    kept = net.add("SELECT_V2", inputs, scores.shape, dtype="float32", options=options("SelectV2Options"))
    return kept, order


def _suppressed(
    net: Lowering, boxes: Tensor, ranks: Tensor, order: Tensor, *, most: int, overlap: np.float32
) -> tuple[Tensor, Tensor]:
    """((batch * class, most) places in `order` that are kept, (batch * class, 1) how many), both int32."""
    batches, classes, count = ranks.shape
    flat = net.reshape(order, (batches, classes * count))
    how = options("GatherOptions", axis=1, batchDims=1)
    sorted_boxes = carried(net, "GATHER", (boxes, flat), (batches, classes * count, 4), options=how)
    everything = _plain(net.reshape(sorted_boxes, (batches * classes * count, 4)))
    scores = _plain(net.reshape(ranks, (batches * classes * count,)))
    bounds = (
        net.new_constant(np.array(most, np.int32), name="most"),
        net.scalar(float(np.nextafter(overlap, np.float32(2)))),  # the kernel suppresses from here on, ONNX above it
        net.scalar(0.5),  # ranks are 1 and more, or 0
    )
    places: list[Tensor] = []
    counts: list[Tensor] = []
    for row in range(batches * classes):
        part = Span(start=row * count, step=1, length=count)
        inputs = (cut(net, everything, [part, whole(4)]).tensor, cut(net, scores, [part]).tensor, *bounds)
        found = net.new_tensor((most,), dtype="int32")
        number = net.new_tensor((), dtype="int32")
        table = options("NonMaxSuppressionV4Options")
        net.add_operation("NON_MAX_SUPPRESSION_V4", inputs, (found, number), options=table)
        places.append(net.reshape(found, (1, most)))
        counts.append(net.reshape(number, (1, 1)))
    if len(places) == 1:
        return places[0], counts[0]
    rows = batches * classes
    return joined(net, places, 0, (rows, most)), joined(net, counts, 0, (rows, 1))
