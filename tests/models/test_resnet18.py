"""ResNet-18 has the stacks of the paper and the names of torchvision's weights."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture
def network(model_file: Any) -> Any:
    return model_file("resnet18").build().eval()


def test_the_four_stacks_halve_the_image_and_double_the_channels(network: Any, model_file: Any) -> None:
    features = network.maxpool(network.relu(network.bn1(network.conv1(*model_file("resnet18").example_inputs()))))
    shapes = [tuple(features.shape)]
    for stack in (network.layer1, network.layer2, network.layer3, network.layer4):
        features = stack(features)
        shapes.append(tuple(features.shape))

    assert shapes == [(1, 64, 56, 56), (1, 64, 56, 56), (1, 128, 28, 28), (1, 256, 14, 14), (1, 512, 7, 7)]


def test_weights_have_the_names_of_torchvision(network: Any) -> None:
    names = set(network.state_dict())

    assert len(names) == 122
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight"} <= names
    assert {"layer2.0.downsample.1.running_var", "layer4.1.bn2.bias", "fc.weight", "fc.bias"} <= names


def test_a_block_whose_last_gain_is_zero_passes_its_input(network: Any) -> None:
    block = network.layer1[0]
    torch.nn.init.zeros_(block.bn2.weight)
    features = torch.rand(1, 64, 8, 8)

    assert torch.equal(block(features), features)
