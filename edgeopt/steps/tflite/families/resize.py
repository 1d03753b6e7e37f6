"""Resize and Upsample: a kernel of TFLite where it reads just the same, else an axis after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.interpolation import Axis, Method, kernel_flags, matrix_of, outside_of
from edgeopt.steps.tflite.families.pieces import combined, floats, gathered
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import NHWC, View

_KERNELS = {
    "nearest": ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions"),
    "linear": ("RESIZE_BILINEAR", "ResizeBilinearOptions"),
}
_READ_BY_KERNEL = {
    "nearest": frozenset({"float32", "uint8", "int8", "int16"}),
    "linear": frozenset({"float32", "uint8", "int8"}),
}
_MOVED = frozenset({"float32", "int8", "uint8", "int16", "int32", "int64", "bool"})  # gather.cc


def resize(node: Node, net: Lowering) -> None:
    """Resize with constant scales or sizes."""
    view = net.unflattened(net.view(node.input(0)))
    method = Method(
        mode=node.attribute("mode", "nearest"),
        coordinates=node.attribute("coordinate_transformation_mode", "half_pixel"),
        rounding=node.attribute("nearest_mode", "round_prefer_floor"),
        cubic=float(node.attribute("cubic_coeff_a", -0.75)),
        is_antialiased=bool(node.attribute("antialias", 0)),
        excludes_outside=bool(node.attribute("exclude_outside", 0)),
    )
    if len(node.inputs) == 2:  # opset 10: (X, scales), and every coordinate is asymmetric
        method = replace(method, coordinates="asymmetric", rounding="floor")
        axes = _axes(node, view, scales=net.required_constant(1, "scale"))
    else:
        axes = _axes(
            node,
            view,
            scales=net.optional_constant(2, "scale"),
            sizes=net.optional_constant(3, "size"),
            region=net.optional_constant(1, "region"),
        )
    _bind_resized(node, net, view, axes, method)


def upsample(node: Node, net: Lowering) -> None:
    """Upsample, what Resize was before: nearest to the left, or linear, without half pixels."""
    view = net.unflattened(net.view(node.input(0)))
    given = node.attribute("scales")
    scales = np.array(given, np.float32) if given else net.required_constant(1, "scale")
    mode = node.attribute("mode", "nearest")
    method = Method(mode="linear" if mode.endswith("linear") else mode, coordinates="asymmetric", rounding="floor")
    _bind_resized(node, net, view, _axes(node, view, scales=scales), method)


def _axes(
    node: Node,
    view: View,
    *,
    scales: NDArray[Any] | None = None,
    sizes: NDArray[Any] | None = None,
    region: NDArray[Any] | None = None,
) -> dict[int, Axis]:
    """How each axis is resized that is."""
    places = [int(axis) % view.rank for axis in node.attribute("axes") or range(view.rank)]
    lengths = [view.shape[axis] for axis in places]
    if sizes is not None and sizes.size:
        factors = _kept_aspect([int(size) / length for size, length in zip(sizes, lengths, strict=True)], node)
        counts = [int(size) for size in sizes]
        if node.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
            counts = [int(np.floor(factor * length + 0.5)) for factor, length in zip(factors, lengths, strict=True)]
    elif scales is not None and scales.size:
        factors = [float(scale) for scale in scales]
        counts = [int(np.floor(np.float32(f) * np.float32(n))) for f, n in zip(factors, lengths, strict=True)]
    else:
        raise Refused("has neither scales nor sizes")
    is_cropped = node.attribute("coordinate_transformation_mode") == "tf_crop_and_resize"
    if is_cropped and (region is None or region.size != 2 * len(places)):
        raise Refused("crops to a region that is not given")
    ends = [0.0] * len(places) + [1.0] * len(places)
    if is_cropped and region is not None:
        ends = [float(end) for end in region]
    if 0 in counts or 0 in lengths:
        raise Refused("leaves an axis without elements")
    regions = list(zip(ends[: len(places)], ends[len(places) :], strict=True))
    kept = zip(lengths, counts, regions, strict=True)
    if any(length == count and region != (0, 1) for length, count, region in kept):
        raise Refused("crops an axis to a region of its own length, which ONNX Runtime takes for no change")
    how = zip(places, lengths, counts, factors, regions, strict=True)
    return {
        place: Axis(length=length, count=count, scale=factor, start=start, end=end)
        for place, length, count, factor, (start, end) in how
        if count != length or factor != 1
    }


def _kept_aspect(factors: list[float], node: Node) -> list[float]:
    policy = node.attribute("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return factors
    chosen = min(factors) if policy == "not_larger" else max(factors)
    return [chosen] * len(factors)


def _bind_resized(node: Node, net: Lowering, view: View, axes: dict[int, Axis], method: Method) -> None:
    made = _by_kernel(net, view, axes, method)
    if made is None:
        made = _axis_by_axis(node, net, view, axes, method)
    net.bind_view(node.output(0), made)


def _by_kernel(net: Lowering, view: View, axes: dict[int, Axis], method: Method) -> View | None:
    """What TFLite's kernel makes of an image; None where none does just this."""
    if view.rank != 4 or method.mode not in _KERNELS or view.tensor.dtype not in _READ_BY_KERNEL[method.mode]:
        return None
    if view.dtype != "float32" and method.mode == "linear":  # it rounds where ONNX cuts off
        return None
    order = _image_order(view, axes)
    if order is None or not axes or method.is_antialiased or method.coordinates == "tf_crop_and_resize":
        return None
    both = [axes.get(order[place]) or _kept(view.shape[order[place]]) for place in (1, 2)]
    flags = kernel_flags(both, method)
    if flags is None:
        return None
    image = net.laid(view, order)
    counts = [axis.count for axis in both]
    kind, table = _KERNELS[method.mode]
    made = net.add(
        kind,
        (image, net.new_constant(np.array(counts, np.int32), name="sizes")),
        (image.shape[0], *counts, image.shape[3]),
        dtype=image.dtype,
        quantization=image.quantization,
        options=options(table, alignCorners=flags.aligns_corners, halfPixelCenters=flags.has_half_pixels),
    )
    return replace(view, tensor=made, axes=order)


def _image_order(view: View, axes: dict[int, Axis]) -> tuple[int, ...] | None:
    """The order for a kernel that resizes the two axes in the middle: the value's own where that will do."""
    if set(axes) <= set(view.axes[1:3]):
        return view.axes
    return NHWC if set(axes) <= set(NHWC[1:3]) else None


def _kept(length: int) -> Axis:
    return Axis(length=length, count=length, scale=1.0)


def _axis_by_axis(node: Node, net: Lowering, view: View, axes: dict[int, Axis], method: Method) -> View:
    """Each axis by itself, where it lies: elements picked, or a product with its matrix of weights."""
    filling = float(node.attribute("extrapolation_value", 0.0))
    is_picked = method.mode == "nearest" and not any(outside_of(axis, method).any() for axis in axes.values())
    if not is_picked:
        view = floats(net, node.input(0))
    elif view.tensor.dtype not in _MOVED:
        raise Refused(f"resizes `{view.dtype}`, which TFLite's GATHER lacks", rewrite="a Cast before it")
    tensor = view.tensor
    for axis, how in sorted(axes.items(), key=lambda each: each[1].count / max(each[1].length, 1)):
        place, matrix = view.axis_in_memory(axis), matrix_of(how, method)
        if is_picked:
            tensor = gathered(net, tensor, matrix.argmax(axis=1), place)
        elif not np.array_equal(matrix, np.eye(how.length)):
            tensor = multiplied_along(net, tensor, matrix, place)
    if filling and not is_picked:
        outside = _outside(view, axes, method) * np.float32(filling)
        tensor = combined(net, "ADD", tensor, net.new_constant(outside, name="filling"))
    return replace(view, tensor=tensor)


def multiplied_along(net: Lowering, tensor: Tensor, matrix: NDArray[np.floating], axis: int) -> Tensor:
    """`tensor` with `matrix` (after, before) applied along memory axis `axis`."""
    weights = net.new_constant(matrix.astype(np.float32), name="weights")
    shape = (*tensor.shape[:axis], len(matrix), *tensor.shape[axis + 1 :])
    if axis == len(tensor.shape) - 1:
        table = options("FullyConnectedOptions", keepNumDims=True)
        return net.add("FULLY_CONNECTED", (tensor, weights, None), shape, options=table)
    groups = int(np.prod(tensor.shape[:axis], dtype=np.int64)), int(np.prod(tensor.shape[axis + 1 :], dtype=np.int64))
    columns = net.reshape(tensor, (groups[0], tensor.shape[axis], groups[1]))
    made = net.add(
        "BATCH_MATMUL", (weights, columns), (groups[0], len(matrix), groups[1]), options=options("BatchMatMulOptions")
    )
    return net.reshape(made, shape)


def _outside(view: View, axes: dict[int, Axis], method: Method) -> NDArray[np.float32]:
    """1 where an element lies outside of the crop along any axis, in memory order and to be broadcast; else 0."""
    is_outside = np.zeros([1] * view.rank, bool)
    for axis, how in axes.items():
        along = [1] * view.rank
        along[view.axis_in_memory(axis)] = how.count
        is_outside = is_outside | outside_of(how, method).reshape(along)
    return is_outside.astype(np.float32)
