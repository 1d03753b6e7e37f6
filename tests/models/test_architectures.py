"""What every architecture offers: a fresh network, and the same inputs at every call."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch")

ARCHITECTURES = {
    "autoencoder": ((1, 640), (1, 640)),
    "bert": ((1, 128), (1, 2)),
    "cifar_resnet": ((1, 3, 32, 32), (1, 10)),
    "ds_cnn": ((1, 1, 49, 10), (1, 12)),
    "mobilenet_v1": ((1, 3, 96, 96), (1, 2)),
    "mobilenet_v2": ((1, 3, 224, 224), (1, 1000)),
    "resnet18": ((1, 3, 224, 224), (1, 1000)),
    "resnet8": ((1, 3, 32, 32), (1, 10)),
    "vit": ((1, 3, 32, 32), (1, 10)),
}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request: Any, model_file: Any) -> Any:
    """Its name, its module, and a network."""
    module = model_file(request.param)
    return request.param, module, module.build()


def test_the_network_takes_the_example_and_gives_what_is_promised(architecture: Any) -> None:
    name, module, network = architecture
    inputs = module.example_inputs()

    assert network.training
    assert (tuple(inputs[0].shape), tuple(network.eval()(*inputs).shape)) == ARCHITECTURES[name]
    network.train()


def test_example_inputs_are_the_same_at_every_call(architecture: Any) -> None:
    _, module, _ = architecture
    (first,), (second,) = module.example_inputs(), module.example_inputs()

    assert torch.equal(first, second)
    assert first.unique().numel() > 50


def test_a_copy_computes_the_same_and_shares_no_weights(architecture: Any) -> None:
    _, module, network = architecture
    network, inputs = copy.deepcopy(network).eval(), module.example_inputs()
    twin = copy.deepcopy(network)
    expected = network(*inputs)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)

    assert torch.equal(twin(*inputs), expected)
    assert not torch.equal(network(*inputs), expected)


def test_samples_of_a_batch_do_not_touch_each_other(architecture: Any) -> None:
    _, module, network = architecture
    (sample,) = module.example_inputs()
    other = sample.flip(-1)
    network = copy.deepcopy(network).eval()
    with torch.no_grad():
        pair, alone = network(torch.cat([sample, other])), network(other)

    torch.testing.assert_close(pair[1:], alone, rtol=1e-4, atol=1e-5)
