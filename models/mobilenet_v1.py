"""MobileNetV1 of width 0.25, the visual wake words model of MLPerf Tiny: is there a person in a 96x96 image?

Sources: Howard et al., "MobileNets", https://arxiv.org/abs/1704.04861, in the version of Banbury et al., "MLPerf Tiny
Benchmark", https://arxiv.org/abs/2106.07597, whose Keras model is mlcommons/tiny,
benchmark/training/visual_wake_words/vww_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

# Keras' default, with which MLPerf Tiny's weights were trained.
_NORMALIZATION_EPSILON = 1e-3
# Channels at width 1 and stride of each depthwise-separable block: table 1 of the paper.
_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)


def build(*, classes: int = 2, width_multiplier: float = 0.25) -> nn.Module:
    """MobileNetV1 with fresh weights, in training mode.

    With the defaults it has 216,322 parameters (210,850 with batch normalization folded) and takes 7.49 M MACs an
    image of 96x96. As in MLPerf Tiny, and unlike the paper, convolutions have a bias and ReLU has no upper limit.

    Args:
        classes: number of outputs, 1 or more.
        width_multiplier: factor on the channels of every layer, above 0; 1 gives 32 to 1024 channels.

    Returns:
        A module from images (batch, channel=3, height, width) float32, both sides multiples of 32 pixels, to logits
        (batch, class) float32. There is no softmax.
    """
    from torch import nn

    inputs = _scaled(32, width_multiplier)
    layers = _convolution(3, inputs, stride=2)
    for channels, stride in _BLOCKS:
        outputs = _scaled(channels, width_multiplier)
        layers += _convolution(inputs, inputs, stride=stride, groups=inputs)
        layers += _activated(nn.Conv2d(inputs, outputs, kernel_size=1), outputs)
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def example_inputs(*, side: int = 96) -> tuple[Tensor, ...]:
    """One image of noise, the same at every call.

    Args:
        side: height and width in pixels, a multiple of 32.

    Returns:
        One tensor (batch=1, channel=3, height, width) float32 with values in [0, 1).
    """
    import torch

    return (torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0)),)


def _scaled(channels: int, width_multiplier: float) -> int:
    return max(1, int(channels * width_multiplier))


def _convolution(inputs: int, outputs: int, *, stride: int, groups: int = 1) -> list[nn.Module]:
    """A 3x3 convolution with TensorFlow's "same" padding: on an even side, stride 2 pads only right and below."""
    from torch import nn

    if stride == 1:
        return _activated(nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, groups=groups), outputs)
    strided = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, groups=groups)
    return [nn.ZeroPad2d((0, 1, 0, 1)), *_activated(strided, outputs)]


def _activated(convolution: nn.Module, channels: int) -> list[nn.Module]:
    """The convolution, then batch normalization and ReLU."""
    from torch import nn

    return [convolution, nn.BatchNorm2d(channels, eps=_NORMALIZATION_EPSILON), nn.ReLU()]
