"""A BERT encoder that classifies a sequence of tokens; by default of the size of BERT-Mini.

Sources: Devlin et al., "BERT", https://arxiv.org/abs/1810.04805; the sizes are from Turc et al., "Well-Read Students
Learn Better", https://arxiv.org/abs/1908.08962.
"""

# Without torch's types nn.Module is Any, and the classes below still have to be subclasses of it.
# mypy: allow-subclassing-any

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

_NORMALIZATION_EPSILON = 1e-12


def build(
    *, vocabulary: int = 30_522, length: int = 128, layers: int = 4, width: int = 256, heads: int = 4, classes: int = 2
) -> nn.Module:
    """BERT with fresh weights, in training mode.

    With the defaults it has 11,072,258 parameters, 7,813,632 of them the table of tokens, and takes 436.3 M MACs a
    sequence. All tokens are of one segment and none is padding: there are no segment embeddings, and no mask.

    Args:
        vocabulary: number of token ids, 1 or more.
        length: longest sequence, 1 or more tokens.
        layers: encoder layers, 1 or more.
        width: length of a token's vector, a multiple of `heads`; the feed-forward layer has four times as many units.
        heads: attention heads, 1 or more.
        classes: number of outputs, 1 or more.

    Returns:
        A module from token ids (batch, position) int64 to logits (batch, class) float32. There is no softmax and no
        dropout.
    """
    return _bert_class()(vocabulary=vocabulary, length=length, layers=layers, width=width, heads=heads, classes=classes)


def example_inputs(*, vocabulary: int = 30_522, length: int = 128) -> tuple[Tensor, ...]:
    """One sequence of random tokens, the same at every call.

    Args:
        vocabulary: number of token ids.
        length: tokens in the sequence.

    Returns:
        One tensor (batch=1, position) int64 with values in [0, vocabulary).
    """
    import torch

    return (torch.randint(vocabulary, (1, length), generator=torch.Generator().manual_seed(0)),)


@cache
def _bert_class() -> type[nn.Module]:
    """The network's class, made on first use so that importing this file does not import torch."""
    import torch
    from torch import nn

    class Bert(nn.Module):
        """Embedded tokens, encoder layers, and a classifier of the first position."""

        positions: Tensor

        def __init__(self, *, vocabulary: int, length: int, layers: int, width: int, heads: int, classes: int) -> None:
            super().__init__()
            self.token = nn.Embedding(vocabulary, width)
            self.position = nn.Embedding(length, width)
            self.normalization = nn.LayerNorm(width, eps=_NORMALIZATION_EPSILON)
            self.layers = nn.Sequential(*(_layer_class()(width, heads) for _ in range(layers)))
            self.pooler = nn.Linear(width, width)
            self.classifier = nn.Linear(width, classes)
            self.register_buffer("positions", torch.arange(length), persistent=False)

        def forward(self, tokens: Tensor) -> Tensor:
            """Token ids (batch, position) int64 to logits (batch, class) float32."""
            embedded = self.token(tokens) + self.position(self.positions[: tokens.shape[1]])
            encoded = self.layers(self.normalization(embedded))
            logits: Tensor = self.classifier(torch.tanh(self.pooler(encoded[:, 0])))
            return logits

    return Bert


@cache
def _layer_class() -> type[nn.Module]:
    from torch import nn

    class Layer(nn.Module):
        """Attention, then a feed-forward network; each is added to its input and then normalized."""

        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.query = nn.Linear(width, width)
            self.key = nn.Linear(width, width)
            self.value = nn.Linear(width, width)
            self.output = nn.Linear(width, width)
            self.attention_normalization = nn.LayerNorm(width, eps=_NORMALIZATION_EPSILON)
            self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
            self.normalization = nn.LayerNorm(width, eps=_NORMALIZATION_EPSILON)

        def forward(self, vectors: Tensor) -> Tensor:
            """Vectors (batch, position, width) float32, of the same shape."""
            attended = self.attention_normalization(vectors + self.attention(vectors))
            normalized: Tensor = self.normalization(attended + self.feed_forward(attended))
            return normalized

        def attention(self, vectors: Tensor) -> Tensor:
            """softmax(query key^T / sqrt(width / heads)) value, for each head, put together again."""
            query, key, value = (
                layer(vectors).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for layer in (self.query, self.key, self.value)
            )
            attended = nn.functional.scaled_dot_product_attention(query, key, value)
            mixed: Tensor = self.output(attended.transpose(1, 2).flatten(2))
            return mixed

    return Layer
