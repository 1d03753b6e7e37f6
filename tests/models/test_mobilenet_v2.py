"""MobileNetV2 has the published sizes at every width, and keeps 4x4 pixels of CIFAR's images."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture
def mobilenet_v2(model_file: Any) -> Any:
    return model_file("mobilenet_v2")


# Millions of parameters without those of batch normalization: the authors' table,
# tensorflow/models, research/slim/nets/mobilenet/README.md.
@pytest.mark.parametrize(
    ("width_multiplier", "millions"), [(0.35, 1.66), (0.5, 1.95), (0.75, 2.61), (1.0, 3.47), (1.3, 5.34), (1.4, 6.06)]
)
def test_parameters_are_the_published_ones(mobilenet_v2: Any, width_multiplier: float, millions: float) -> None:
    weights = mobilenet_v2.build(width_multiplier=width_multiplier).parameters()
    counted = sum(weight.numel() for weight in weights if weight.ndim > 1) + 1000

    assert counted / 1e6 == pytest.approx(millions, abs=0.005)


def test_images_of_32_pixels_keep_4x4_of_them(mobilenet_v2: Any) -> None:
    network = mobilenet_v2.build(classes=10, width_multiplier=0.5, side=32).eval()
    features = network.blocks(network.stem(*mobilenet_v2.example_inputs(side=32)))

    assert features.shape == (1, 160, 4, 4)


def test_images_of_224_pixels_keep_7x7_of_them(mobilenet_v2: Any) -> None:
    network = mobilenet_v2.build().eval()
    features = network.blocks(network.stem(*mobilenet_v2.example_inputs()))

    assert features.shape == (1, 320, 7, 7)


def test_ten_blocks_of_seventeen_add_their_input(mobilenet_v2: Any) -> None:
    blocks = mobilenet_v2.build().blocks

    assert len(blocks) == 17
    assert sum(type(block).__name__ == "Residual" for block in blocks) == 10


def test_a_residual_block_without_weights_passes_its_input(mobilenet_v2: Any) -> None:
    block = mobilenet_v2.build().eval().blocks[2]
    torch.nn.init.zeros_(block.body.project.weight)
    features = torch.rand(1, 24, 8, 8)

    assert torch.equal(block(features), features)
