"""ResNet8, the image classifier of MLPerf Tiny (version 1).

Sources: Banbury et al., "MLPerf Tiny Benchmark", https://arxiv.org/abs/2106.07597, with its Keras model in
mlcommons/tiny, benchmark/training/image_classification/keras_model.py (`resnet_v1_eembc`); the residual block is
from He et al., "Deep Residual Learning for Image Recognition", https://arxiv.org/abs/1512.03385.
"""

# Without torch's types nn.Module is Any, and the block below still has to be a subclass of it.
# mypy: allow-subclassing-any

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def build(*, classes: int = 10, channels: int = 3, width: int = 16) -> nn.Module:
    """ResNet8 with fresh weights, in training mode.

    With the defaults it has 78,186 parameters and takes 12.50 M MACs an image. Keras counts 78,666 parameters,
    since it counts the running means and variances of batch normalization too.

    One difference from the Keras model: a 3x3 convolution of stride 2 pads one pixel on every side, as torch does,
    where TensorFlow's "same" pads only right and below.

    Args:
        classes: number of outputs, 1 or more.
        channels: channels of the input image, 1 or more.
        width: channels after the first convolution, 1 or more; the stacks have `width`, 2 `width` and 4 `width`.

    Returns:
        A module from images (batch, channel, height=32, width=32) float32 to logits (batch, class) float32.
        There is no softmax.
    """
    from torch import nn

    return nn.Sequential(
        OrderedDict(
            stem=_normalized_convolution(channels, width, stride=1),
            relu=nn.ReLU(),
            stack1=_residual(width, width, stride=1),
            stack2=_residual(width, 2 * width, stride=2),
            stack3=_residual(2 * width, 4 * width, stride=2),
            pool=nn.AvgPool2d(8),
            flatten=nn.Flatten(),
            dense=nn.Linear(4 * width, classes),
        )
    )


def example_inputs(*, channels: int = 3) -> tuple[Tensor, ...]:
    """One image of noise, the same at every call.

    Args:
        channels: channels of the image, 1 or more.

    Returns:
        One tensor (batch=1, channel, height=32, width=32) float32 with values in [0, 255).
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    return (torch.rand((1, channels, 32, 32), generator=generator) * 255,)


def _normalized_convolution(inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    """A 3x3 convolution with bias, then batch normalization: channels `inputs` to `outputs`."""
    from torch import nn

    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1)
    return nn.Sequential(OrderedDict(convolution=convolution, normalization=nn.BatchNorm2d(outputs)))


def _residual(inputs: int, outputs: int, *, stride: int) -> nn.Module:
    """relu(normalized(relu(normalized(x))) + shortcut(x)): channels `inputs` to `outputs`.

    The shortcut is the identity where the shape stays, else a 1x1 convolution, which MLPerf Tiny does not normalize.
    """
    from torch import nn

    body = nn.Sequential(
        OrderedDict(
            first=_normalized_convolution(inputs, outputs, stride=stride),
            relu=nn.ReLU(),
            second=_normalized_convolution(outputs, outputs, stride=1),
        )
    )
    if stride == 1 and inputs == outputs:
        return _residual_class()(body, nn.Identity())
    return _residual_class()(body, nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride))


@cache
def _residual_class() -> type[nn.Module]:
    """The block's class, made on first use so that importing this file does not import torch."""
    from torch import nn

    class Residual(nn.Module):
        """relu(body(x) + shortcut(x))."""

        def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
            super().__init__()
            self.body = body
            self.shortcut = shortcut
            self.relu = nn.ReLU()

        def forward(self, features: Tensor) -> Tensor:
            """Features (batch, channel, height, width) float32, smaller by the body's stride."""
            total: Tensor = self.relu(self.body(features) + self.shortcut(features))
            return total

    return Residual
