"""DS-CNN, the keyword spotter of MLPerf Tiny: depthwise-separable convolutions over MFCC features.

Sources: Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers", https://arxiv.org/abs/1711.07128 (its small
DS-CNN), in the version of Banbury et al., "MLPerf Tiny Benchmark", https://arxiv.org/abs/2106.07597.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

# Keras' default, with which MLPerf Tiny's weights were trained.
_NORMALIZATION_EPSILON = 1e-3


def build(*, classes: int = 12, width: int = 64, blocks: int = 4) -> nn.Module:
    """DS-CNN with fresh weights, in training mode.

    With the defaults it has 23,756 parameters and takes 2.66 M MACs a sample. It is one `nn.Sequential` whose
    positions are the keys of MLPerf Tiny's weights, so it has no dropout, which would shift them.

    Args:
        classes: number of outputs, 1 or more.
        width: channels of every convolution, 1 or more.
        blocks: number of depthwise-separable blocks, 0 or more.

    Returns:
        A module from features (batch, channel=1, frame=49, coefficient=10) float32 to logits (batch, class) float32.
        There is no softmax.
    """
    from torch import nn

    separable = [layer for _ in range(blocks) for layer in _separable_block(width)]
    return nn.Sequential(
        *_first_convolution(width),
        *separable,
        nn.AvgPool2d((25, 5)),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


def example_inputs() -> tuple[Tensor, ...]:
    """One sample of noise, the same at every call.

    Returns:
        One tensor (batch=1, channel=1, frame=49, coefficient=10) float32, normal with mean 0 and variance 1.
    """
    import torch

    return (torch.randn((1, 1, 49, 10), generator=torch.Generator().manual_seed(0)),)


def _first_convolution(width: int) -> list[nn.Module]:
    """A 10x4 convolution of stride 2 from (frame=49, coefficient=10) to (25, 5)."""
    from torch import nn

    # TensorFlow's "same" padding (left, right, top, bottom): the odd one of nine frames goes below.
    padding = nn.ZeroPad2d((1, 1, 4, 5))
    return [padding, *_activated(nn.Conv2d(1, width, kernel_size=(10, 4), stride=2), width)]


def _separable_block(width: int) -> list[nn.Module]:
    """A 3x3 depthwise convolution, then a 1x1 convolution over the channels."""
    from torch import nn

    depthwise = nn.Conv2d(width, width, kernel_size=3, padding=1, groups=width)
    pointwise = nn.Conv2d(width, width, kernel_size=1)
    return [*_activated(depthwise, width), *_activated(pointwise, width)]


def _activated(convolution: nn.Module, width: int) -> list[nn.Module]:
    """The convolution, then batch normalization and ReLU."""
    from torch import nn

    return [convolution, nn.BatchNorm2d(width, eps=_NORMALIZATION_EPSILON), nn.ReLU()]
