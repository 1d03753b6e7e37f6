"""Normalizations: means and variances over some axes, in whatever order a value lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.families.pieces import combined, floats, mapped, power, reduced, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Shape, View, channels_last

_EPSILON = 1e-5  # the default of ONNX's normalizations
_MVN_EPSILON = 1e-9  # that of MeanVarianceNormalization, in the body that its schema gives


def batch_normalization(node: Node, net: Lowering) -> None:
    """BatchNormalization: one MUL and one ADD per channel; with the batch's own statistics where it trains."""
    view = floats(net, node.input(0))
    epsilon = float(node.attribute("epsilon", _EPSILON))
    scale, shift = node.input(1), node.input(2)
    if node.attribute("training_mode", 0):
        _trained(node, net, view, epsilon)
        return
    known = [net.constant(name) for name in node.inputs[1:5]]
    if all(each is not None for each in known):
        gain, beta, mean, variance = (np.asarray(each, np.float64) for each in known)
        factor = gain / np.sqrt(variance + epsilon)
        tensors = [
            net.new_constant(each.astype(np.float32).reshape(_along(view, 1)), name=name)
            for each, name in ((factor, scale), (beta - mean * factor, shift))
        ]
    else:
        gain_, beta_, mean_, variance_ = (_per_channel(net, view, name) for name in node.inputs[1:5])
        factor_ = combined(net, "MUL", gain_, _inverse_root(net, variance_, epsilon))
        tensors = [factor_, combined(net, "SUB", beta_, combined(net, "MUL", mean_, factor_))]
    made = combined(net, "MUL", view.tensor, tensors[0])
    _end(node, net, view, made, tensors[1])


def _end(node: Node, net: Lowering, view: View, made: Tensor, shift: Tensor) -> None:
    """Add a shift, with the activation that comes behind."""
    ending = net.ending(node.output(0), quantized=False)
    table = options("AddOptions", fusedActivationFunction=ending.activation)
    result = net.add("ADD", (made, shift), made.shape, options=table)
    net.absorb(ending)
    net.bind_view(node.output(0), replace(view, tensor=result))


def _trained(node: Node, net: Lowering, view: View, epsilon: float) -> None:
    """Normalized by the batch's own mean and variance, which move the running ones."""
    axes = _places(view, [axis for axis in range(view.rank) if axis != 1])
    mean, variance, centred = _moments(net, view.tensor, axes)
    normal = combined(net, "MUL", centred, _inverse_root(net, variance, epsilon))
    normal = combined(net, "MUL", normal, _per_channel(net, view, node.input(1)))
    net.bind_view(
        node.output(0), replace(view, tensor=combined(net, "ADD", normal, _per_channel(net, view, node.input(2))))
    )
    momentum = float(node.attribute("momentum", 0.9))
    for place, own in ((1, mean), (2, variance)):
        if node.output(place):
            running = combined(net, "MUL", net.tensor(node.input(2 + place)), momentum)
            moved = combined(net, "MUL", net.reshape(own, (view.shape[1],)), 1 - momentum)
            net.bind(node.output(place), combined(net, "ADD", running, moved))


def instance_normalization(node: Node, net: Lowering) -> None:
    """InstanceNormalization: each channel of each image by its own mean and variance."""
    view = floats(net, node.input(0))
    normal = _normal(net, view.tensor, _places(view, range(2, view.rank)), float(node.attribute("epsilon", _EPSILON)))
    made = combined(net, "MUL", normal, _per_channel(net, view, node.input(1)))
    _end(node, net, view, made, _per_channel(net, view, node.input(2)))


def group_normalization(node: Node, net: Lowering) -> None:
    """GroupNormalization: groups of channels by their own mean and variance."""
    view = floats(net, node.input(0))
    groups, (batch, channels, *lengths) = int(node.attribute("num_groups")), view.shape
    places = int(np.prod(lengths, dtype=np.int64))
    grouped = net.reshaped(view, (batch, groups, channels // groups, places))
    epsilon = float(node.attribute("epsilon", _EPSILON))
    normal = replace(grouped, tensor=_normal(net, grouped.tensor, _places(grouped, (2, 3)), epsilon))
    is_per_group = net.shape(node.input(1))[0] == groups != channels
    if is_per_group:  # opset 18 scaled groups, 21 scales channels
        made = combined(net, "MUL", normal.tensor, _per_channel(net, grouped, node.input(1)))
        made = combined(net, "ADD", made, _per_channel(net, grouped, node.input(2)))
        net.bind_view(node.output(0), net.reshaped(replace(grouped, tensor=made), view.shape))
        return
    whole = net.reshaped(normal, view.shape)
    made = combined(net, "MUL", whole.tensor, _per_channel(net, whole, node.input(1)))
    _end(node, net, whole, made, _per_channel(net, whole, node.input(2)))


def layer_normalization(node: Node, net: Lowering) -> None:
    """LayerNormalization over the axes from `axis` on, with its mean and inverse deviation where they are asked for."""
    view = floats(net, node.input(0))
    axes = _places(view, range(int(node.attribute("axis", -1)) % view.rank, view.rank))
    mean, variance, centred = _moments(net, view.tensor, axes)
    inverse = _inverse_root(net, variance, float(node.attribute("epsilon", _EPSILON)))
    for place, tensor in ((1, mean), (2, inverse)):
        if node.output(place):
            net.bind(node.output(place), tensor, view.axes)
    made = combined(net, "MUL", combined(net, "MUL", centred, inverse), _trailing(net, view, node.input(1)))
    if node.input(2):
        made = combined(net, "ADD", made, _trailing(net, view, node.input(2)))
    net.bind_view(node.output(0), replace(view, tensor=made))


def rms_normalization(node: Node, net: Lowering) -> None:
    """RMSNormalization over the axes from `axis` on."""
    view = floats(net, node.input(0))
    axes = _places(view, range(int(node.attribute("axis", -1)) % view.rank, view.rank))
    squares = reduced(net, "MEAN", mapped(net, "SQUARE", view.tensor), axes)
    inverse = _inverse_root(net, squares, float(node.attribute("epsilon", _EPSILON)))
    made = combined(net, "MUL", combined(net, "MUL", view.tensor, inverse), _trailing(net, view, node.input(1)))
    net.bind_view(node.output(0), replace(view, tensor=made))


def mean_variance_normalization(node: Node, net: Lowering) -> None:
    """MeanVarianceNormalization: (x - mean) / (deviation + 1e-9)."""
    view = floats(net, node.input(0))
    axes = _places(view, node.attribute("axes") or (0, 2, 3))
    _, variance, centred = _moments(net, view.tensor, axes)
    deviation = combined(net, "ADD", mapped(net, "SQRT", variance), _MVN_EPSILON)
    net.bind_view(node.output(0), replace(view, tensor=combined(net, "DIV", centred, deviation)))


def lp_normalization(node: Node, net: Lowering) -> None:
    """LpNormalization along one axis; where the norm is 0 so is the result."""
    view = floats(net, node.input(0))
    exponent, axes = int(node.attribute("p", 2)), _places(view, [int(node.attribute("axis", -1))])
    magnitudes = power(net, view.tensor if exponent == 2 else mapped(net, "ABS", view.tensor), exponent)
    norm = power(net, reduced(net, "SUM", magnitudes, axes), 1 / exponent)
    norm = combined(net, "MAXIMUM", norm, float(np.finfo(np.float32).tiny))
    net.bind_view(node.output(0), replace(view, tensor=combined(net, "DIV", view.tensor, norm)))


def local_response_normalization(node: Node, net: Lowering) -> None:
    """LRN across channels: x / (bias + alpha * mean of squares of `size` channels) ^ beta.

    TFLite's LOCAL_RESPONSE_NORMALIZATION is of no use: its reference kernel leaves out the last of the channels
    (local_response_norm.h has `c + range` as an exclusive end), its optimized one does not.
    """
    view, size = floats(net, node.input(0)), int(node.attribute("size"))
    alpha, beta = float(node.attribute("alpha", 1e-4)), float(node.attribute("beta", 0.75))
    bias, order = float(node.attribute("bias", 1.0)), channels_last(view.rank)
    tensor = net.laid(view, order)
    places = int(np.prod(tensor.shape[1:-1], dtype=np.int64))
    image = net.reshape(tensor, (tensor.shape[0], places, tensor.shape[-1], 1))
    means = _neighbour_means(net, mapped(net, "SQUARE", image), size)
    scale = combined(net, "ADD", combined(net, "MUL", means, alpha), bias)
    made = combined(net, "DIV", image, power(net, scale, beta))
    net.bind_view(node.output(0), replace(view, tensor=net.reshape(made, tensor.shape), axes=order))


def _neighbour_means(net: Lowering, image: Tensor, size: int) -> Tensor:
    """Means over `size` neighbouring channels, (batch, place, channel, 1); what is outside of them counts as 0."""
    filled = widened(net, image, [(0, 0), (0, 0), ((size - 1) // 2, size // 2), (0, 0)])
    values = {"strideH": 1, "strideW": 1, "filterHeight": 1, "filterWidth": size}
    return net.add(
        "AVERAGE_POOL_2D", (filled,), image.shape, options=options("Pool2DOptions", padding="VALID", **values)
    )


def _places(view: View, axes: Iterable[int]) -> list[int]:
    """Memory axes of a value's axes."""
    return sorted(view.axis_in_memory(int(axis)) for axis in axes)


def _along(view: View, axis: int) -> Shape:
    """The shape in memory that broadcasts one number per index of `axis`."""
    return tuple(view.shape[axis] if each == axis else 1 for each in view.axes)


def _per_channel(net: Lowering, view: View, name: str) -> Tensor:
    return net.reshape(net.tensor(name), _along(view, 1))


def _trailing(net: Lowering, view: View, name: str) -> Tensor:
    """A value that broadcasts against the last axes of `view`, with its axes as those lie."""
    other = net.view(name)
    if other.rank < view.rank:
        other = net.reshaped(other, (*[1] * (view.rank - other.rank), *other.shape))
    return net.tensor(other, view.axes)


def _moments(net: Lowering, tensor: Tensor, axes: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """(mean, variance, what is left without the mean)."""
    mean = reduced(net, "MEAN", tensor, axes)
    centred = combined(net, "SUB", tensor, mean)
    return mean, reduced(net, "MEAN", mapped(net, "SQUARE", centred), axes), centred


def _inverse_root(net: Lowering, tensor: Tensor, epsilon: float) -> Tensor:
    return mapped(net, "RSQRT", combined(net, "ADD", tensor, epsilon) if epsilon else tensor)


def _normal(net: Lowering, tensor: Tensor, axes: list[int], epsilon: float) -> Tensor:
    _, variance, centred = _moments(net, tensor, axes)
    return combined(net, "MUL", centred, _inverse_root(net, variance, epsilon))
