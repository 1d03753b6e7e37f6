"""The BERT encoder computes what torch's own encoder layer does, and has the sizes of BERT-Mini."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture
def bert(model_file: Any) -> Any:
    return model_file("bert")


def test_a_layer_computes_what_torch_does(bert: Any) -> None:
    layer = bert.build(vocabulary=10, layers=1, width=32, heads=4).layers[0].eval()
    reference = torch.nn.TransformerEncoderLayer(32, 4, 128, 0.0, "gelu", batch_first=True, layer_norm_eps=1e-12).eval()
    packed = [layer.query, layer.key, layer.value]
    reference.self_attn.in_proj_weight.data = torch.cat([part.weight for part in packed])
    reference.self_attn.in_proj_bias.data = torch.cat([part.bias for part in packed])
    reference.self_attn.out_proj.load_state_dict(layer.output.state_dict())
    for mine, theirs in [
        (layer.attention_normalization, reference.norm1),
        (layer.feed_forward[0], reference.linear1),
        (layer.feed_forward[2], reference.linear2),
        (layer.normalization, reference.norm2),
    ]:
        torch.nn.init.normal_(mine.weight)
        theirs.load_state_dict(mine.state_dict())
    vectors = torch.randn(3, 7, 32)

    torch.testing.assert_close(layer(vectors), reference(vectors), rtol=1e-4, atol=1e-5)


def test_parameters_follow_the_sizes(bert: Any) -> None:
    counted = sum(parameter.numel() for parameter in bert.build().parameters())
    width, normalization = 256, 2 * 256
    attention = 4 * (width * width + width)
    feed_forward = 2 * 4 * width * width + 4 * width + width

    assert counted == (
        (30_522 + 128) * width
        + normalization
        + 4 * (attention + feed_forward + 2 * normalization)
        + (width * width + width)
        + (2 * width + 2)
    )


def test_shorter_sequences_fit(bert: Any) -> None:
    network = bert.build(vocabulary=50, length=16, layers=1, width=8, heads=2, classes=3).eval()

    assert network(*bert.example_inputs(vocabulary=50, length=5)).shape == (1, 3)


def test_the_order_of_the_tokens_counts(bert: Any) -> None:
    network = bert.build(vocabulary=50, length=16, layers=1, width=8, heads=2).eval()
    (tokens,) = bert.example_inputs(vocabulary=50, length=16)
    swapped = tokens[:, [0, 2, 1, *range(3, 16)]]

    assert not torch.allclose(network(tokens), network(swapped))
