"""Pools."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.pieces import combined, floats, mapped, power, reduced, widened
from edgeopt.steps.tflite.families.taps import Indices, as_rows, counts_of, flat_taps, read_taps
from edgeopt.steps.tflite.families.windows import Window, window_of
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View, channels_last

_POOLED = frozenset({"float32", "int8", "uint8", "int16"})  # pooling.cc


def max_pool(node: Node, net: Lowering) -> None:
    """MaxPool over any number of axes, in float or in integers, whose quantization it keeps."""
    view = net.unflattened(net.view(node.input(0)))
    if view.tensor.dtype not in _POOLED:
        raise Refused(f"pools `{view.dtype}`")
    image, window = _image(node, net, view)
    if node.output(1):
        _with_indices(node, net, image, window)
        return
    if is_slid(window):
        lowest = -np.inf if image.dtype == "float32" else np.iinfo(image.dtype).min
        image, scheme = _filled(net, image, window, lowest)
        made = _slid(net, "MAX_POOL_2D", image, window, scheme)
    else:
        read = read_taps(net, as_rows(net, image), flat_taps(window, clamped=True))
        made = reduced(net, "REDUCE_MAX", read, (2,), keeps=False)
    _bind(node, net, view, made, window)


def average_pool(node: Node, net: Lowering) -> None:
    """AveragePool over any number of axes; integers stay integers where every window counts alike."""
    view = net.unflattened(net.view(node.input(0)))
    with_padding = bool(node.attribute("count_include_pad", 0))
    window = _window(node, view)
    if view.is_quantized and window.kernel == view.shape[2:] and set(window.outputs) == {1} and not any(window.before):
        global_average_pool(node, net)  # an int8 AVERAGE_POOL_2D rounds to the steps of its input, MEAN to its own
        return
    counts = counts_of(window, with_padding=with_padding)
    size = int(np.prod(window.kernel))
    ignores = window.scheme == "SAME" and np.array_equal(counts, counts_of(window, with_padding=False))
    if not is_slid(window) or not (ignores or (counts == size).all()):
        view = net.numbers(view)
    image = net.laid(view, channels_last(view.rank))
    if is_slid(window) and ignores:
        made = _slid(net, "AVERAGE_POOL_2D", image, window, "SAME")
    elif is_slid(window):
        image, _ = _filled(net, image, window, None, is_valid=True)
        made = _scaled(net, _slid(net, "AVERAGE_POOL_2D", image, window, "VALID"), size / counts)
    else:
        made = _scaled(net, _sums(net, image, window), 1 / counts)
    _bind(node, net, view, made, window)


def lp_pool(node: Node, net: Lowering) -> None:
    """LpPool: the sum over a window of the p-th powers of magnitudes, and its p-th root."""
    view = floats(net, node.input(0))
    exponent, window = float(node.attribute("p", 2)), _window(node, view)
    image = net.laid(view, channels_last(view.rank))
    powers = power(net, image if exponent == 2 else mapped(net, "ABS", image), exponent)
    if is_slid(window):
        powers, _ = _filled(net, powers, window, None, is_valid=True)
        sums = _slid(net, "AVERAGE_POOL_2D", powers, window, "VALID")
        sums = combined(net, "MUL", sums, float(np.prod(window.kernel)))
    else:
        sums = _sums(net, powers, window)
    _bind(node, net, view, power(net, sums, 1 / exponent), window)


def global_average_pool(node: Node, net: Lowering) -> None:
    """GlobalAveragePool: MEAN over all spatial axes."""
    view = net.unflattened(net.view(node.input(0)))
    order = channels_last(view.rank)
    wanted = net.ending(node.output(0), activations=False).quantization if view.is_quantized else None
    image = net.laid(view, order) if wanted else net.tensor(view, order)
    axes = net.new_constant(np.arange(1, view.rank - 1, dtype=np.int32), name="axes")
    shape = (view.shape[0], *[1] * (view.rank - 2), view.shape[1])
    made = net.add("MEAN", (image, axes), shape, quantization=wanted, options=options("ReducerOptions", keepDims=True))
    net.bind(node.output(0), made, order, is_quantized=wanted is not None)


def global_max_pool(node: Node, net: Lowering) -> None:
    """GlobalMaxPool: REDUCE_MAX over all spatial axes, in whatever order they lie."""
    view = net.unflattened(net.view(node.input(0)))
    made = reduced(net, "REDUCE_MAX", view.tensor, _spatial(view))
    net.bind_view(node.output(0), replace(view, tensor=made))


def global_lp_pool(node: Node, net: Lowering) -> None:
    """GlobalLpPool: the p-norm over all spatial axes."""
    view = floats(net, node.input(0))
    exponent = float(node.attribute("p", 2))
    powers = power(net, mapped(net, "ABS", view.tensor), exponent)
    made = power(net, reduced(net, "SUM", powers, _spatial(view)), 1 / exponent)
    net.bind_view(node.output(0), replace(view, tensor=made))


def is_slid(window: Window) -> bool:
    """Whether TFLite's kernels of pools slide it: over one or two axes, its taps side by side."""
    return len(window.kernel) <= 2 and max(window.dilations) == 1


def _spatial(view: View) -> list[int]:
    """Memory axes of a value's spatial axes."""
    return sorted(view.axis_in_memory(axis) for axis in range(2, view.rank))


def _window(node: Node, view: View) -> Window:
    window = window_of(node, node.attribute("kernel_shape"), view.shape[2:])
    if max(window.dilations) > 1 and node.attribute("auto_pad", "NOTSET").startswith("SAME"):
        raise Refused(
            "asks for SAME padding of a dilated pool, which ONNX and ONNX Runtime read differently",
            rewrite="pads given as numbers",
        )
    if min(window.outputs) < 1:
        raise Refused("has a window larger than its image")
    return window


def _image(node: Node, net: Lowering, view: View) -> tuple[Tensor, Window]:
    return net.laid(view, channels_last(view.rank)), _window(node, view)


def _bind(node: Node, net: Lowering, view: View, made: Tensor, window: Window) -> None:
    """Bind what came of (batch, windows..., channel), however its windows lie."""
    tensor = net.reshape(made, (view.shape[0], *window.outputs, view.shape[1]))
    net.bind_view(node.output(0), replace(view, tensor=tensor, axes=channels_last(view.rank)))


def _filled(
    net: Lowering, image: Tensor, window: Window, value: float | int | None, *, is_valid: bool = False
) -> tuple[Tensor, str]:
    """(the image with its padding filled with `value`, the scheme to run on it)."""
    if window.scheme == "VALID" or (window.scheme and not is_valid):
        return image, window.scheme
    edges = list(zip(window.before, window.needed_after, strict=True))
    return widened(net, image, [(0, 0), *edges, (0, 0)], value), "VALID"


def _slid(net: Lowering, kind: str, image: Tensor, window: Window, scheme: str) -> Tensor:
    """A pool of TFLite over one or two axes; a row is an image of height 1."""
    missing = (1,) * (2 - len(window.kernel))
    batch, *lengths, channels = image.shape
    (stride_height, stride_width), (height, width) = (*missing, *window.strides), (*missing, *window.kernel)
    image = net.reshape(image, (batch, *missing, *lengths, channels))
    return net.add(
        kind,
        (image,),
        (batch, *missing, *window.outputs, channels),
        dtype=image.dtype,
        quantization=image.quantization,
        options=options(
            "Pool2DOptions",
            padding=scheme,
            strideH=stride_height,
            strideW=stride_width,
            filterHeight=height,
            filterWidth=width,
        ),
    )


def _sums(net: Lowering, image: Tensor, window: Window) -> Tensor:
    """(batch, window, channel) sums over each window."""
    return reduced(net, "SUM", read_taps(net, as_rows(net, image), flat_taps(window)), (2,), keeps=False)


def _scaled(net: Lowering, pooled: Tensor, factors: NDArray[np.float64]) -> Tensor:
    """What a pool gave, each window times its factor; itself where all are 1."""
    numbers = factors.astype(np.float32)
    if (numbers == 1).all():
        return pooled
    shape = (1, *pooled.shape[1:-1], 1)
    factor = numbers.reshape(shape) if np.ptp(numbers) else np.full((), numbers.flat[0], np.float32)
    return combined(net, "MUL", pooled, net.new_constant(factor, name="share"))


def _with_indices(node: Node, net: Lowering, image: Tensor, window: Window) -> None:
    """MaxPool and where in the whole input each maximum lies: the tap that wins, and a table of places per tap."""
    view = net.view(node.input(0))
    taps = flat_taps(window, clamped=True)
    batch, channels = view.shape[:2]
    read = read_taps(net, as_rows(net, image), taps)
    largest = reduced(net, "REDUCE_MAX", read, (2,), keeps=False)
    if node.output(0):
        _bind(node, net, view, largest, window)
    axis = net.new_constant(np.array(2, np.int32), name="axis")
    shape = (batch, len(taps), channels)
    best = net.add("ARG_MAX", (read, axis), shape, dtype="int32", options=options("ArgMaxOptions", outputType="INT32"))
    firsts = (np.arange(len(taps)) * taps.shape[1]).reshape(1, -1, 1)
    place = combined(net, "ADD", best, net.new_constant(firsts.astype(np.int32), name="first_tap"))
    table = net.new_constant(_stored(taps, window.lengths, node).reshape(-1), name="places")
    found = net.add("GATHER", (table, place), shape, dtype="int64", options=options("GatherOptions", axis=0))
    size = int(np.prod(window.lengths))
    starts = size * (np.arange(batch)[:, None, None] * channels + np.arange(channels))
    found = combined(net, "ADD", found, net.new_constant(starts.astype(np.int64), name="first_place"))
    made = net.reshape(found, (batch, *window.outputs, channels))
    net.bind(node.output(1), made, channels_last(view.rank))


def _stored(taps: Indices, lengths: tuple[int, ...], node: Node) -> Indices:
    """Places in row order, or in column order where `storage_order` asks for it."""
    if not node.attribute("storage_order", 0):
        return taps
    return np.asarray(np.ravel_multi_index(np.unravel_index(taps, lengths), lengths, order="F"), np.int64)
