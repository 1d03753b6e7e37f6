"""ConvTranspose: TRANSPOSE_CONV, or a convolution over an image with zeros between its elements."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgeopt.steps.tflite.families.correlation import Correlation, correlated
from edgeopt.steps.tflite.families.pieces import floats, gathered, sliced, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Shape, View, channels_last


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How each element of an image is spread by a kernel.

    Attributes:
        lengths: Length of the image per spatial axis.
        kernel: Length of the kernel per spatial axis.
        strides: Distance of neighbouring elements in the result.
        dilations: Distance of neighbouring taps of the kernel.
        before: Elements of the full result that are cut off in front.
        outputs: Length of the result per spatial axis.
    """

    lengths: Shape
    kernel: Shape
    strides: Shape
    dilations: Shape
    before: Shape
    outputs: Shape

    @property
    def extents(self) -> Shape:
        """Elements that a dilated kernel spans per axis."""
        return tuple((size - 1) * step + 1 for size, step in zip(self.kernel, self.dilations, strict=True))

    @property
    def full(self) -> Shape:
        """Length per axis before anything is cut off."""
        return tuple(
            (length - 1) * stride + extent
            for length, stride, extent in zip(self.lengths, self.strides, self.extents, strict=True)
        )

    @property
    def missing(self) -> Shape:
        """Elements per axis behind the full result that the outputs reach, which nothing falls on."""
        return tuple(
            max(before + output - full, 0)
            for before, output, full in zip(self.before, self.outputs, self.full, strict=True)
        )

    @property
    def is_same(self) -> bool:
        """Whether TFLite's `SAME` cuts off just that: (kernel - stride) elements, the odd one behind."""
        steps = zip(self.outputs, self.strides, self.lengths, self.extents, self.before, strict=True)
        return all(
            -(-output // stride) == length and before == max((length - 1) * stride + extent - output, 0) // 2
            for output, stride, length, extent, before in steps
        )


def spread_of(node: Node, kernel: Shape, lengths: Shape) -> Spread:
    """The spread of a ConvTranspose (https://onnx.ai/onnx/operators/onnx__ConvTranspose.html).

    Where the length of the result is given, padding is shared out as ONNX Runtime does: the odd element in front unless
    `auto_pad` is `SAME_UPPER`.
    """
    rank = len(kernel)
    ones = (1,) * rank
    strides = tuple(node.attribute("strides") or ones)
    dilations = tuple(node.attribute("dilations") or ones)
    extra = tuple(node.attribute("output_padding") or (0,) * rank)[:rank]
    pads = tuple(node.attribute("pads") or (0,) * 2 * rank)
    scheme, given = node.attribute("auto_pad", "NOTSET"), node.attribute("output_shape")
    spread = Spread(
        lengths=lengths, kernel=kernel, strides=strides, dilations=dilations, before=pads[:rank], outputs=ones
    )
    rooms = [full + more for full, more in zip(spread.full, extra, strict=True)]
    if scheme.startswith("SAME") and not given:
        given = [min(length * stride, room) for length, stride, room in zip(lengths, strides, rooms, strict=True)]
    if given:
        outputs = tuple(int(length) for length in given[-rank:])
        totals = [max(room - output, 0) for room, output in zip(rooms, outputs, strict=True)]
        before = tuple(total // 2 if scheme == "SAME_UPPER" else total - total // 2 for total in totals)
        return replace(spread, before=before, outputs=outputs)
    if scheme == "VALID":
        return replace(spread, before=(0,) * rank, outputs=tuple(rooms))
    outputs = tuple(room - front - back for room, front, back in zip(rooms, pads[:rank], pads[rank:], strict=True))
    return replace(spread, outputs=outputs)


def conv_transpose(node: Node, net: Lowering) -> None:
    """ConvTranspose in float over one to three spatial axes, grouped and dilated or not."""
    view, weights = floats(net, node.input(0)), floats(net, node.input(1))
    spread = spread_of(node, weights.shape[2:], view.shape[2:])
    if min(spread.before) < 0 or min(spread.outputs) < 1:
        raise Refused("has negative padding", rewrite="a Pad behind it")
    image = net.laid(view, channels_last(view.rank))
    groups = int(node.attribute("group", 1))
    bias = net.tensor(node.input(2)) if node.input(2) else None
    if groups == 1 and len(spread.kernel) <= 2:
        made = _transposed(net, image, weights, bias, spread)
    else:
        made = _stuffed(net, image, weights, bias, spread=spread, groups=groups)
    net.bind_view(node.output(0), View(tensor=made, axes=channels_last(view.rank), dtype=view.dtype))


def _transposed(net: Lowering, image: Tensor, weights: View, bias: Tensor | None, spread: Spread) -> Tensor:
    """TRANSPOSE_CONV, with what ONNX cuts off cut off; a row is an image of height 1."""
    filters = net.tensor(weights, (1, *range(2, weights.rank), 0))  # (output, spatial axes..., input)
    for axis, (step, more) in enumerate(zip(spread.dilations, spread.missing, strict=True), start=1):
        filters = with_zeros_between(net, filters, axis, step)
        filters = widened(net, filters, [(0, more if place == axis else 0) for place in range(len(filters.shape))])
    rank = len(spread.kernel)
    ones = (1,) * (2 - rank)
    count, *kernel, channels = filters.shape
    scheme = "SAME" if spread.is_same and not any(spread.missing) else "VALID"
    whole = spread.outputs
    if scheme == "VALID":
        whole = tuple(full + more for full, more in zip(spread.full, spread.missing, strict=True))
    shape = (image.shape[0], *ones, *whole, count)
    strides = (*ones, *spread.strides)
    made = net.add(
        "TRANSPOSE_CONV",
        (
            net.new_constant(np.array(shape, np.int32), name="shape"),
            net.reshape(filters, (count, *ones, *kernel, channels)),
            net.reshape(image, (image.shape[0], *ones, *spread.lengths, channels)),
            bias or net.new_constant(np.zeros(count, np.float32), name="bias"),
        ),
        shape,
        dtype="float32",
        options=options("TransposeConvOptions", padding=scheme, strideH=strides[0], strideW=strides[1]),
    )
    made = net.reshape(made, (image.shape[0], *whole, count))
    if scheme == "SAME":
        return made
    return sliced(net, made, (0, *spread.before, 0), (made.shape[0], *spread.outputs, count))


def _stuffed(
    net: Lowering, image: Tensor, weights: View, bias: Tensor | None, *, spread: Spread, groups: int
) -> Tensor:
    """A convolution, its kernel turned round, over the image with zeros between its elements."""
    inputs, count, kernel = weights.shape[0], weights.shape[1], weights.shape[2:]
    apart = net.reshaped(weights, (groups, inputs // groups, count, *kernel))
    turned = net.reshaped(
        apart.transposed((0, 2, 1, *range(3, apart.rank))), (groups * count, inputs // groups, *kernel)
    )
    flipped = turned.tensor
    for axis in range(2, turned.rank):
        place = turned.axis_in_memory(axis)
        flipped = gathered(net, flipped, np.arange(turned.shape[axis])[::-1], place)
    begins, ends = [0], [0]
    for axis, stride in enumerate(spread.strides, start=1):
        image = with_zeros_between(net, image, axis, stride)
        before = spread.extents[axis - 1] - 1 - spread.before[axis - 1]
        begins.append(before)
        ends.append(spread.outputs[axis - 1] + spread.extents[axis - 1] - 1 - before - image.shape[axis])
    pairs = list(zip([*begins, 0], [*ends, 0], strict=True))
    sizes = [length + min(a, 0) + min(b, 0) for length, (a, b) in zip(image.shape, pairs, strict=True)]
    image = sliced(net, image, [max(-a, 0) for a, _ in pairs], sizes)
    image = widened(net, image, [(max(a, 0), max(b, 0)) for a, b in pairs])
    how = Correlation(strides=(1,) * len(kernel), dilations=spread.dilations, outputs=spread.outputs, groups=groups)
    return correlated(net, image, replace(turned, tensor=flipped), bias, how)


def with_zeros_between(net: Lowering, tensor: Tensor, axis: int, step: int) -> Tensor:
    """`tensor` with `step - 1` zeros between neighbours along memory axis `axis`."""
    length = tensor.shape[axis]
    if step == 1 or length == 1:
        return tensor
    before = int(np.prod(tensor.shape[:axis], dtype=np.int64))
    behind = int(np.prod(tensor.shape[axis + 1 :], dtype=np.int64))
    apart = net.reshape(tensor, (before * length, 1, behind))
    wide = net.reshape(widened(net, apart, [(0, 0), (0, step - 1), (0, 0)]), (before, length * step, behind))
    kept = sliced(net, wide, (0, 0, 0), (before, (length - 1) * step + 1, behind))
    return net.reshape(kept, (*tensor.shape[:axis], (length - 1) * step + 1, *tensor.shape[axis + 1 :]))
