"""ResNet-20, -32, -44, -56 and -110, the image classifiers for CIFAR.

Source: He et al., "Deep Residual Learning for Image Recognition", https://arxiv.org/abs/1512.03385, section 4.2, with
shortcuts that have no parameters (option A). Names of the weights are those of akamaster/pytorch_resnet_cifar10, whose
checkpoints load.
"""

# Without torch's types nn.Module is Any, and the block below still has to be a subclass of it.
# mypy: allow-subclassing-any

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def build(*, depth: int = 20, classes: int = 10, width: int = 16) -> nn.Module:
    """A CIFAR ResNet with fresh weights, in training mode.

    With the defaults (ResNet-20) it has 269,722 parameters and takes 40.55 M MACs an image; ResNet-56 has 853,018 and
    takes 125.49 M.

    Args:
        depth: layers with weights, 6n + 2 with n of 1 or more.
        classes: number of outputs, 1 or more.
        width: channels of the first stack, even; the others have twice and four times as many.

    Returns:
        A module from images (batch, channel=3, height=32, width=32) float32 to logits (batch, class) float32.
        There is no softmax.

    Raises:
        ValueError: The depth is not 6n + 2.
    """
    from torch import nn

    blocks, left = divmod(depth - 2, 6)
    if blocks < 1 or left:
        raise ValueError(f"depth `{depth}` is not 6n + 2, such as 20 or 56")
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, width, kernel_size=3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(width),
            relu=nn.ReLU(),
            layer1=_stack(width, width, blocks=blocks),
            layer2=_stack(width, 2 * width, blocks=blocks),
            layer3=_stack(2 * width, 4 * width, blocks=blocks),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            linear=nn.Linear(4 * width, classes),
        )
    )


def example_inputs() -> tuple[Tensor, ...]:
    """One image of noise, the same at every call.

    Returns:
        One tensor (batch=1, channel=3, height=32, width=32) float32, normal with mean 0 and variance 1.
    """
    import torch

    return (torch.randn((1, 3, 32, 32), generator=torch.Generator().manual_seed(0)),)


def _stack(inputs: int, outputs: int, *, blocks: int) -> nn.Sequential:
    """Blocks of `outputs` channels; the first halves height and width where it doubles the channels."""
    from torch import nn

    block = _block_class()
    return nn.Sequential(block(inputs, outputs), *(block(outputs, outputs) for _ in range(blocks - 1)))


@cache
def _block_class() -> type[nn.Module]:
    """The block's class, made on first use so that importing this file does not import torch."""
    from torch import nn

    class Block(nn.Module):
        """relu(normalized(relu(normalized(x))) + shortcut(x)) with 3x3 convolutions."""

        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            stride = 1 if inputs == outputs else 2
            self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU()
            self.added_channels = outputs - inputs

        def forward(self, features: Tensor) -> Tensor:
            """Features (batch, channel, height, width) float32, of half the size where the channels double."""
            first = self.relu(self.bn1(self.conv1(features)))
            total: Tensor = self.relu(self.bn2(self.conv2(first)) + self.shortcut(features))
            return total

        def shortcut(self, features: Tensor) -> Tensor:
            """Every second pixel, between half of the new channels, all zero, before and half after."""
            if not self.added_channels:
                return features
            before = self.added_channels // 2
            after = self.added_channels - before
            return nn.functional.pad(features[:, :, ::2, ::2], (0, 0, 0, 0, before, after))

    return Block
