"""The vision transformer computes what torch's own encoder layer does, on patches of the image."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture
def vit(model_file: Any) -> Any:
    return model_file("vit")


def test_a_layer_computes_what_torch_does(vit: Any) -> None:
    layer = vit.build(layers=1, width=32, heads=4).layers[0].eval()
    reference = torch.nn.TransformerEncoderLayer(
        32, 4, 128, 0.0, "gelu", batch_first=True, norm_first=True, layer_norm_eps=1e-6
    ).eval()
    reference.self_attn.in_proj_weight.data = layer.query_key_value.weight
    reference.self_attn.in_proj_bias.data = layer.query_key_value.bias
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


def test_parameters_follow_the_sizes(vit: Any) -> None:
    counted = sum(parameter.numel() for parameter in vit.build().parameters())
    width, positions, normalization = 192, 1 + 64, 2 * 192
    attention = 4 * (width * width + width)
    feed_forward = 2 * 4 * width * width + 4 * width + width

    assert counted == (
        (3 * 4 * 4 * width + width)
        + (positions + 1) * width
        + 6 * (attention + feed_forward + 2 * normalization)
        + normalization
        + (10 * width + 10)
    )


def test_patches_may_be_larger(vit: Any) -> None:
    network = vit.build(side=16, patch=8, layers=1, width=8, heads=2, classes=3).eval()

    assert network.positions.shape == (1, 5, 8)
    assert network(*vit.example_inputs(side=16)).shape == (1, 3)
