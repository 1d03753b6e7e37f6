"""MobileNetV2: inverted residual blocks with linear bottlenecks, for images of 224 pixels or of CIFAR's 32.

Source: Sandler et al., "MobileNetV2", https://arxiv.org/abs/1801.04381.
"""

# Without torch's types nn.Module is Any, and the block below still has to be a subclass of it.
# mypy: allow-subclassing-any

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

# Expansion, channels at width 1, blocks, stride of the first block: table 2 of the paper.
_STAGES = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
# Below this side the stem and the first stage of stride 2 keep the size, as is usual for CIFAR: five halvings would
# leave a single pixel of 32, three leave 4x4.
_SMALL_SIDE_PIXELS = 64


def build(*, classes: int = 1000, width_multiplier: float = 1.0, side: int = 224) -> nn.Module:
    """MobileNetV2 with fresh weights, in training mode.

    With the defaults it has 3,504,872 parameters and takes 300.8 M MACs an image.

    Args:
        classes: number of outputs, 1 or more.
        width_multiplier: factor on the channels of every layer, above 0, but that the last convolution never has
            fewer than 1280. Channels are rounded to multiples of 8.
        side: height and width of the images in pixels, a multiple of 32. Below 64 two of the five strides are 1.

    Returns:
        A module from images (batch, channel=3, height, width) float32 to logits (batch, class) float32.
        There is no softmax.
    """
    from torch import nn

    is_small = side < _SMALL_SIDE_PIXELS
    inputs = _rounded(32 * width_multiplier)
    blocks = []
    for index, (expansion, channels, repeats, first_stride) in enumerate(_STAGES):
        outputs = _rounded(channels * width_multiplier)
        stride = 1 if is_small and index == 1 else first_stride
        for repeat in range(repeats):
            blocks.append(_block(inputs, outputs, stride=1 if repeat else stride, expansion=expansion))
            inputs = outputs
    last = _rounded(1280 * max(1.0, width_multiplier))
    return nn.Sequential(
        OrderedDict(
            stem=_convolution(3, _rounded(32 * width_multiplier), kernel=3, stride=1 if is_small else 2),
            blocks=nn.Sequential(*blocks),
            head=_convolution(inputs, last, kernel=1),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            dense=nn.Linear(last, classes),
        )
    )


def example_inputs(*, side: int = 224) -> tuple[Tensor, ...]:
    """One image of noise, the same at every call.

    Args:
        side: height and width in pixels.

    Returns:
        One tensor (batch=1, channel=3, height, width) float32, normal with mean 0 and variance 1.
    """
    import torch

    return (torch.randn((1, 3, side, side), generator=torch.Generator().manual_seed(0)),)


def _rounded(channels: float) -> int:
    """The nearest multiple of 8, at least 8, and not more than a tenth below `channels`, as in the authors' code."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _convolution(inputs: int, outputs: int, *, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution, batch normalization and ReLU6."""
    from torch import nn

    padding = (kernel - 1) // 2
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, groups=groups, bias=False)
    return nn.Sequential(
        OrderedDict(convolution=convolution, normalization=nn.BatchNorm2d(outputs), relu=nn.ReLU6()),
    )


def _block(inputs: int, outputs: int, *, stride: int, expansion: int) -> nn.Module:
    """Expand, filter each channel, project without activation; the input is added where the shape stays."""
    from torch import nn

    hidden = inputs * expansion
    layers = OrderedDict[str, "nn.Module"]()
    if expansion != 1:
        layers["expand"] = _convolution(inputs, hidden, kernel=1)
    layers["depthwise"] = _convolution(hidden, hidden, kernel=3, stride=stride, groups=hidden)
    layers["project"] = nn.Conv2d(hidden, outputs, kernel_size=1, bias=False)
    layers["normalization"] = nn.BatchNorm2d(outputs)
    body = nn.Sequential(layers)
    return _residual_class()(body) if stride == 1 and inputs == outputs else body


@cache
def _residual_class() -> type[nn.Module]:
    """The block's class, made on first use so that importing this file does not import torch."""
    from torch import nn

    class Residual(nn.Module):
        """x + body(x)."""

        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, features: Tensor) -> Tensor:
            """Features (batch, channel, height, width) float32, of the same shape."""
            total: Tensor = features + self.body(features)
            return total

    return Residual
