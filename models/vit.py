"""A vision transformer for images of CIFAR's size.

Sources: Dosovitskiy et al., "An Image is Worth 16x16 Words", https://arxiv.org/abs/2010.11929; width and heads are
those of DeiT-Ti (Touvron et al., https://arxiv.org/abs/2012.12877), with half its layers and patches of 4x4 pixels.
"""

# Without torch's types nn.Module is Any, and the classes below still have to be subclasses of it.
# mypy: allow-subclassing-any

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

_NORMALIZATION_EPSILON = 1e-6


def build(
    *, side: int = 32, patch: int = 4, layers: int = 6, width: int = 192, heads: int = 3, classes: int = 10
) -> nn.Module:
    """A vision transformer with fresh weights, in training mode.

    With the defaults it has 2,693,578 parameters and takes 182.8 M MACs an image.

    Args:
        side: height and width of the images in pixels, a multiple of `patch`.
        patch: height and width of a patch in pixels, 1 or more.
        layers: encoder layers, 1 or more.
        width: length of a patch's vector, a multiple of `heads`; the feed-forward layer has four times as many units.
        heads: attention heads, 1 or more.
        classes: number of outputs, 1 or more.

    Returns:
        A module from images (batch, channel=3, height, width) float32 to logits (batch, class) float32. There is no
        softmax and no dropout.
    """
    return _vit_class()(side=side, patch=patch, layers=layers, width=width, heads=heads, classes=classes)


def example_inputs(*, side: int = 32) -> tuple[Tensor, ...]:
    """One image of noise, the same at every call.

    Args:
        side: height and width in pixels.

    Returns:
        One tensor (batch=1, channel=3, height, width) float32, normal with mean 0 and variance 1.
    """
    import torch

    return (torch.randn((1, 3, side, side), generator=torch.Generator().manual_seed(0)),)


@cache
def _vit_class() -> type[nn.Module]:
    """The network's class, made on first use so that importing this file does not import torch."""
    import torch
    from torch import nn

    class Vit(nn.Module):
        """Embedded patches after a class vector, encoder layers, and a classifier of the class vector."""

        def __init__(self, *, side: int, patch: int, layers: int, width: int, heads: int, classes: int) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, width, kernel_size=patch, stride=patch)
            self.class_vector = nn.Parameter(torch.randn(1, 1, width) * 0.02)
            self.positions = nn.Parameter(torch.randn(1, 1 + (side // patch) ** 2, width) * 0.02)
            self.layers = nn.Sequential(*(_layer_class()(width, heads) for _ in range(layers)))
            self.normalization = nn.LayerNorm(width, eps=_NORMALIZATION_EPSILON)
            self.classifier = nn.Linear(width, classes)

        def forward(self, images: Tensor) -> Tensor:
            """Images (batch, channel=3, height, width) float32 to logits (batch, class) float32."""
            patches = self.patches(images).flatten(2).transpose(1, 2)
            first = self.class_vector.expand(images.shape[0], -1, -1)
            encoded = self.layers(torch.cat([first, patches], dim=1) + self.positions)
            logits: Tensor = self.classifier(self.normalization(encoded[:, 0]))
            return logits

    return Vit


@cache
def _layer_class() -> type[nn.Module]:
    from torch import nn

    class Layer(nn.Module):
        """Attention, then a feed-forward network; each takes its normalized input and is added to it."""

        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.attention_normalization = nn.LayerNorm(width, eps=_NORMALIZATION_EPSILON)
            self.query_key_value = nn.Linear(width, 3 * width)
            self.output = nn.Linear(width, width)
            self.normalization = nn.LayerNorm(width, eps=_NORMALIZATION_EPSILON)
            self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, vectors: Tensor) -> Tensor:
            """Vectors (batch, position, width) float32, of the same shape."""
            attended = vectors + self.attention(self.attention_normalization(vectors))
            total: Tensor = attended + self.feed_forward(self.normalization(attended))
            return total

        def attention(self, vectors: Tensor) -> Tensor:
            """softmax(query key^T / sqrt(width / heads)) value, for each head, put together again."""
            packed = self.query_key_value(vectors).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            query, key, value = packed.unbind(0)
            attended = nn.functional.scaled_dot_product_attention(query, key, value)
            mixed: Tensor = self.output(attended.transpose(1, 2).flatten(2))
            return mixed

    return Layer
