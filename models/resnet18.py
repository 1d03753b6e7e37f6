"""ResNet-18, the image classifier for ImageNet.

Source: He et al., "Deep Residual Learning for Image Recognition", https://arxiv.org/abs/1512.03385, table 1, with
projections where the shape changes (option B). Names of the weights are torchvision's, whose checkpoints load.
"""

# Without torch's types nn.Module is Any, and the block below still has to be a subclass of it.
# mypy: allow-subclassing-any

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def build(*, classes: int = 1000, width: int = 64) -> nn.Module:
    """ResNet-18 with fresh weights, in training mode.

    With the defaults it has 11,689,512 parameters and takes 1.814 G MACs an image of 224x224.

    Args:
        classes: number of outputs, 1 or more.
        width: channels after the first convolution, 1 or more; the four stacks have 1, 2, 4 and 8 times as many.

    Returns:
        A module from images (batch, channel=3, height, width) float32 to logits (batch, class) float32.
        There is no softmax.
    """
    from torch import nn

    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False),
            bn1=nn.BatchNorm2d(width),
            relu=nn.ReLU(),
            maxpool=nn.MaxPool2d(3, stride=2, padding=1),
            layer1=_stack(width, width, stride=1),
            layer2=_stack(width, 2 * width, stride=2),
            layer3=_stack(2 * width, 4 * width, stride=2),
            layer4=_stack(4 * width, 8 * width, stride=2),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(8 * width, classes),
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


def _stack(inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    """Two blocks, the first of which has the stride."""
    from torch import nn

    block = _block_class()
    return nn.Sequential(block(inputs, outputs, stride), block(outputs, outputs, 1))


@cache
def _block_class() -> type[nn.Module]:
    """The block's class, made on first use so that importing this file does not import torch."""
    from torch import nn

    class Block(nn.Module):
        """relu(normalized(relu(normalized(x))) + shortcut(x)); convolutions are 3x3, that of the shortcut is 1x1."""

        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU()
            self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.downsample = nn.Sequential()
            if stride != 1 or inputs != outputs:
                self.downsample.append(nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False))
                self.downsample.append(nn.BatchNorm2d(outputs))

        def forward(self, features: Tensor) -> Tensor:
            """Features (batch, channel, height, width) float32, smaller by the stride."""
            first = self.relu(self.bn1(self.conv1(features)))
            total: Tensor = self.relu(self.bn2(self.conv2(first)) + self.downsample(features))
            return total

    return Block
