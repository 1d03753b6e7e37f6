"""ConvTranspose: TRANSPOSE_CONV, or a convolution over an image with zeros between its elements."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgeopt.steps.tflite.ending import Ending
from edgeopt.steps.tflite.families.correlation import Correlation, correlated
from edgeopt.steps.tflite.families.integer import are_integer_weights, integer_bias, kernel_weights
from edgeopt.steps.tflite.families.pieces import bordered, floats, gathered, sliced
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Quantization, Tensor, options
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Operands:
    """What TRANSPOSE_CONV reads, all in float or all in integers.

    Attributes:
        image: (batch, spatial axes..., channel).
        filters: (output, spatial axes..., input).
        bias: (output).
        ending: What comes behind.
    """

    image: Tensor
    filters: Tensor
    bias: Tensor
    ending: Ending


def conv_transpose(node: Node, net: Lowering) -> None:
    """ConvTranspose over one to three spatial axes, grouped and dilated or not; in int8 over one or two, ungrouped."""
    view, kernel = net.unflattened(net.view(node.input(0))), net.shape(node.input(1))[2:]
    spread = spread_of(node, kernel, view.shape[2:])
    if min(spread.before) < 0 or min(spread.outputs) < 1:
        raise Refused("has negative padding", rewrite="a Pad behind it")
    groups = int(node.attribute("group", 1))
    if groups == 1 and len(spread.kernel) <= 2:
        operands = _integers(node, net, view) or _floats(node, net)
        made, quantization = _transposed(net, operands, spread), operands.ending.quantization
        net.absorb(operands.ending)
    else:
        ending = net.ending(node.output(0), quantized=False)
        image, weights = net.laid(floats(net, node.input(0)), channels_last(view.rank)), floats(net, node.input(1))
        bias = net.tensor(node.input(2)) if node.input(2) else None
        how = Correlation(
            strides=(1,) * len(kernel),
            dilations=spread.dilations,
            outputs=spread.outputs,
            groups=groups,
            activation=ending.activation,
        )
        made, quantization = _stuffed(net, image, weights, bias, spread=spread, how=how), None
        net.absorb(ending)
    dtype = "float32" if quantization is not None else view.dtype
    is_quantized = quantization is not None
    net.bind_view(
        node.output(0), View(tensor=made, axes=channels_last(view.rank), dtype=dtype, is_quantized=is_quantized)
    )


def _integers(node: Node, net: Lowering, view: View) -> Operands | None:
    """Operands of an int8 kernel; None where it is not one."""
    weights = kernel_weights(net, net.view(node.input(1)))
    ending = net.ending(node.output(0)) if view.is_quantized else Ending()
    if ending.quantization is None or not _saturates(ending.activation, ending.quantization):
        return None
    if not are_integer_weights(weights) or weights.tensor.dtype != "int8":
        return None
    image, filters = net.laid(view, channels_last(view.rank)), net.laid(weights, _filter_axes(weights))
    own = filters.quantization
    if own is None or (not own.is_per_tensor and own.axis != 0):
        return None
    bias = integer_bias(net, node.input(2), image=image, weights=filters, count=filters.shape[0])
    return None if bias is None else Operands(image=image, filters=filters, bias=bias, ending=ending)


def _saturates(activation: str, quantization: Quantization) -> bool:
    """Whether int8 cuts off by itself what an activation would: kernels for microcontrollers fuse none here."""
    begins_at_zero = quantization.zero_point == -128
    ends_at_six = quantization.scale * 255 <= 6.0001
    return activation == "NONE" or (
        begins_at_zero and (activation == "RELU" or (activation == "RELU6" and ends_at_six))
    )


def _floats(node: Node, net: Lowering) -> Operands:
    view, weights = floats(net, node.input(0)), floats(net, node.input(1))
    filters = net.laid(weights, _filter_axes(weights))
    bias = net.new_constant(np.zeros(filters.shape[0], np.float32), name="bias")
    if node.input(2):
        bias = net.tensor(node.input(2))
    ending = net.ending(node.output(0), quantized=False)
    return Operands(image=net.laid(view, channels_last(view.rank)), filters=filters, bias=bias, ending=ending)


def _filter_axes(weights: View) -> tuple[int, ...]:
    """ONNX has weights as (input, output, spatial axes...), TFLite as (output, spatial axes..., input)."""
    return (1, *range(2, weights.rank), 0)


def _transposed(net: Lowering, operands: Operands, spread: Spread) -> Tensor:
    """TRANSPOSE_CONV, with what ONNX cuts off cut off; a row is an image of height 1."""
    image, filters = operands.image, operands.filters
    for axis, (step, more) in enumerate(zip(spread.dilations, spread.missing, strict=True), start=1):
        filters = with_zeros_between(net, filters, axis, step)
        filters = bordered(net, filters, [(0, more if place == axis else 0) for place in range(len(filters.shape))])
    ones = (1,) * (2 - len(spread.kernel))
    count, *kernel, channels = filters.shape
    is_same = spread.is_same and not any(spread.missing)
    full = tuple(full + more for full, more in zip(spread.full, spread.missing, strict=True))
    whole = spread.outputs if is_same else full
    shape = (image.shape[0], *ones, *whole, count)
    strides = (*ones, *spread.strides)
    scheme = "SAME" if is_same else "VALID"
    is_integer = operands.ending.quantization is not None
    made = net.add(
        "TRANSPOSE_CONV",
        (
            net.new_constant(np.array(shape, np.int32), name="shape"),
            net.reshape(filters, (count, *ones, *kernel, channels)),
            net.reshape(image, (image.shape[0], *ones, *spread.lengths, channels)),
            operands.bias,
        ),
        shape,
        dtype=image.dtype,
        quantization=operands.ending.quantization,
        options=options(
            "TransposeConvOptions",
            padding=scheme,
            strideH=strides[0],
            strideW=strides[1],
            fusedActivationFunction="NONE" if is_integer else operands.ending.activation,
        ),
    )
    made = net.reshape(made, (image.shape[0], *whole, count))
    if is_same:
        return made
    return sliced(net, made, (0, *spread.before, 0), (made.shape[0], *spread.outputs, count))


def _stuffed(
    net: Lowering, image: Tensor, weights: View, bias: Tensor | None, *, spread: Spread, how: Correlation
) -> Tensor:
    """A convolution, its kernel turned round, over the image with zeros between its elements."""
    inputs, count, kernel, groups = weights.shape[0], weights.shape[1], weights.shape[2:], how.groups
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
    image = bordered(net, image, [(max(a, 0), max(b, 0)) for a, b in pairs])
    return correlated(net, image, replace(turned, tensor=flipped), bias, how)


def with_zeros_between(net: Lowering, tensor: Tensor, axis: int, step: int) -> Tensor:
    """`tensor` with `step - 1` zeros between neighbours along memory axis `axis`."""
    length = tensor.shape[axis]
    if step == 1 or length == 1:
        return tensor
    before = int(np.prod(tensor.shape[:axis], dtype=np.int64))
    behind = int(np.prod(tensor.shape[axis + 1 :], dtype=np.int64))
    apart = net.reshape(tensor, (before * length, 1, behind))
    wide = net.reshape(bordered(net, apart, [(0, 0), (0, step - 1), (0, 0)]), (before, length * step, behind))
    kept = sliced(net, wide, (0, 0, 0), (before, (length - 1) * step + 1, behind))
    return net.reshape(kept, (*tensor.shape[:axis], (length - 1) * step + 1, *tensor.shape[axis + 1 :]))
