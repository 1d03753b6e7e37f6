"""Weights for networks that nobody trained, spread as those of trained ones are, to measure quantization on.

A network as torch makes it says little about quantization. Its batch normalization does nothing, since the running
means are 0 and the variances 1: activations shrink or grow from layer to layer, and folding leaves all channels of a
kernel alike, where trained kernels have narrow and wide ones. Its weights are uniform, the easiest distribution for
eight bits. And where its weights ignore what flows in, each layer makes small differences between two inputs larger
(Yang et al., https://arxiv.org/abs/1902.08129): the error of the first layer's rounding grows until it drowns the
answer of a deep network. Gradient descent writes weights that are sums of the layer's inputs, so that a trained
network carries its signal in the directions that it amplifies.

`untrained` therefore makes half of the variance of each convolution's weights that of random sums of its inputs, gives
each normalized channel its own gain and shift, takes the running statistics from what flows through the network, and
scales the outputs so that no class wins by default. Speed is then real. Quality is not, though it is nearer: int8
leaves a signal to noise of 15 to 28 dB in MobileNetV2, by size and seed, where weights that ignore the inputs leave 2
to 4 dB; 14 to 17 dB in ResNet-18 and 4 to 19 dB in MobileNetV1, where a few samples with large outputs weigh most; and
33 dB in a trained ResNet-20 (edgeopt on ONNX Runtime 1.32, x86-64 with VNNI). So these networks are harder to quantize
than trained ones are, and good only to compare ways to quantize with each other. Their answers have no meaning:
classes lie so close together that many flip. Transformers are the exception. Trained ones have a few channels with
values far beyond all others (Bondarenko et al., https://arxiv.org/abs/2109.12948), which make them harder than these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

# Median layer of trained CIFAR ResNets (ResNet-20 and ResNet-56 of akamaster/pytorch_resnet_cifar10, tuned), over
# channels with a gain above 0.05: the logarithm of the gain has a standard deviation of 0.21 and 0.33; the shift, in
# units of the layer's typical gain, a mean of -0.24 and -0.38 and a standard deviation of 0.33 and 0.33.
_LOG_GAIN_DEVIATION = 0.3
_SHIFT_MEAN = -0.3
_SHIFT_DEVIATION = 0.3
# Enough for the 1280 channels that the widest convolution here sees.
_SUMMED_INPUTS = 4096


def untrained(build: Callable[[], nn.Module], batches: Sequence[Sequence[Tensor]], *, seed: int = 0) -> nn.Module:
    """The network that `build` makes, with drawn weights and running statistics of `batches`, in evaluation mode.

    Weights are normal with a variance of 1 / (inputs of a unit), which keeps the variance of what flows through; half
    of it, in convolutions, is that of sums of their inputs. Layer normalization gets gains and shifts of the same
    spread as batch normalization, its shifts around 0, since no ReLU follows it. Everything else is as torch draws it.

    Args:
        build: Makes a module with fresh weights, whose outputs are those of its last dense layer.
        batches: Inputs of the network, at least two samples in each; the first also shapes the weights.
        seed: Of all that is drawn. torch's own generator is left as it was.
    """
    import torch

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        module = build()
        for layer in module.modules():
            _draw(layer)
        _align(module.train(), batches[0])
        _take_statistics(module, batches)
        _balance(module.eval(), batches)
    return module


def _draw(layer: nn.Module) -> None:
    from torch import nn

    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
    elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm):
        nn.init.normal_(layer.weight, std=_LOG_GAIN_DEVIATION).exp_()
        nn.init.normal_(layer.bias, mean=0.0 if isinstance(layer, nn.LayerNorm) else _SHIFT_MEAN, std=_SHIFT_DEVIATION)


def _align(module: nn.Module, inputs: Sequence[Tensor]) -> None:
    """Add sums of what flows into them to the weights of convolutions, from the first to the last."""
    from torch import nn

    layers = [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d)
        and (layer.groups == 1 or layer.groups == layer.in_channels == layer.out_channels)
    ]
    hooks = [layer.register_forward_pre_hook(_sum_inputs) for layer in layers]
    module(*inputs)
    for hook in hooks:
        hook.remove()


def _sum_inputs(layer: nn.Conv2d, arguments: tuple[Tensor]) -> None:
    """Make half of the variance of the weights that of normal sums of the layer's centred inputs.

    One term of a sum is what one pixel holds in all channels, or for a depthwise convolution what one channel holds
    in all pixels under the kernel. So the sums' covariance between channels, or between pixels, is that of the inputs.
    """
    import torch

    (images,) = arguments
    outputs, channels, height, width = layer.weight.shape
    if layer.groups == 1:
        terms = _chosen(images.transpose(0, 1).flatten(1).T)
        weights = torch.randn((outputs * height * width, len(terms))) @ terms
        weights = weights.view(outputs, height, width, channels).permute(0, 3, 1, 2)
    else:
        assert not isinstance(layer.padding, str)
        patches = torch.nn.functional.unfold(images, (height, width), padding=layer.padding, stride=layer.stride)
        by_channel = patches.view(len(images), outputs, height * width, -1)
        terms = _chosen(by_channel.permute(0, 3, 1, 2).flatten(0, 1))
        weights = torch.einsum("nc,nck->ck", torch.randn((len(terms), outputs)), terms).view_as(layer.weight)
    sums = weights / weights.std() * (channels * height * width) ** -0.5
    layer.weight.add_(sums).mul_(0.5**0.5)


def _chosen(terms: Tensor) -> Tensor:
    """Some of the terms (term, ...), the same number of every layer, less their mean."""
    import torch

    chosen = terms[torch.randperm(len(terms))[:_SUMMED_INPUTS]]
    return chosen - chosen.mean(0)


def _take_statistics(module: nn.Module, batches: Sequence[Sequence[Tensor]]) -> None:
    """Set running means and variances to the means over the batches, each layer seeing what those before it give."""
    from torch import nn

    layers = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a mean over all batches instead of a moving one
    for inputs in batches:
        module(*inputs)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _balance(module: nn.Module, batches: Sequence[Sequence[Tensor]]) -> None:
    """Shift and scale the last dense layer so that each output has mean 0 and variance 1 over the batches."""
    import torch
    from torch import nn

    *_, last = (layer for layer in module.modules() if isinstance(layer, nn.Linear))
    outputs = torch.cat([module(*inputs) for inputs in batches])
    deviation = outputs.std(0)
    last.weight.div_(deviation[:, None])
    last.bias.copy_((last.bias - outputs.mean(0)) / deviation)
