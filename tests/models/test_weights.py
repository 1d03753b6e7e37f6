"""Networks that nobody trained have statistics that fit what flows through them, the same at every call."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def batches() -> list[tuple[Any]]:
    generator = torch.Generator().manual_seed(4)
    return [(torch.randn((16, 3, 32, 32), generator=generator),) for _ in range(2)]


@pytest.fixture(scope="module")
def make(model_file: Any, batches: list[tuple[Any]]) -> Any:
    """Makes a small MobileNetV2, whose layers are of every kind of convolution."""
    build = partial(model_file("mobilenet_v2").build, classes=10, width_multiplier=0.35, side=32)
    return partial(model_file("weights").untrained, build, batches)


@pytest.fixture(scope="module")
def network(make: Any) -> Any:
    return make()


def normalizations(network: Any) -> list[Any]:
    return [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]


def test_the_network_is_ready_to_export(network: Any) -> None:
    assert not any(layer.training for layer in network.modules())
    assert not any(layer._forward_pre_hooks for layer in network.modules())
    assert {layer.momentum for layer in normalizations(network)} == {0.1}


def test_running_statistics_are_those_of_what_flows_through(network: Any, batches: list[tuple[Any]]) -> None:
    """In evaluation mode a layer's normalized inputs have mean 0 and variance 1 in each channel, up to its depth."""
    seen: dict[Any, Any] = {}
    layers = normalizations(network)
    hooks = [layer.register_forward_hook(lambda layer, _, output: seen.update({layer: output})) for layer in layers]
    with torch.no_grad():
        network(torch.cat([images for (images,) in batches]))
    for hook in hooks:
        hook.remove()

    assert len(seen) == len(layers)
    for layer, output in seen.items():
        normalized = (output - layer.bias[:, None, None]) / layer.weight[:, None, None]
        assert normalized.mean((0, 2, 3)).abs().max() < 0.3
        assert (normalized.var((0, 2, 3)) - 1).abs().mean() < 0.15


def test_gains_and_shifts_spread_as_in_trained_networks(network: Any) -> None:
    gains = torch.cat([layer.weight for layer in normalizations(network)]).log()
    shifts = torch.cat([layer.bias for layer in normalizations(network)])

    assert gains.std().item() == pytest.approx(0.3, abs=0.02)
    assert (shifts.mean().item(), shifts.std().item()) == pytest.approx((-0.3, 0.3), abs=0.02)


def test_no_output_wins_by_default(network: Any, batches: list[tuple[Any]]) -> None:
    with torch.no_grad():
        outputs = torch.cat([network(*inputs) for inputs in batches])

    torch.testing.assert_close(outputs.mean(0), torch.zeros(10), rtol=0, atol=1e-4)
    torch.testing.assert_close(outputs.std(0), torch.ones(10), rtol=1e-3, atol=0)
    assert len(outputs.argmax(1).unique()) >= 5


def test_weights_lie_where_the_inputs_vary(model_file: Any) -> None:
    """Of two channels that carry 100 and 1 times the same noise, the weights of the first are the larger ones."""
    noise = torch.randn((16, 2, 32, 32), generator=torch.Generator().manual_seed(5))
    images = noise * torch.tensor([100.0, 1.0])[:, None, None]

    def build() -> Any:
        return torch.nn.Sequential(
            torch.nn.Conv2d(2, 64, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(64, 2)
        )

    first, second = model_file("weights").untrained(build, [(images,)])[0].weight.square().mean((0, 2, 3))

    # Half of the variance is spread evenly, half of it is nearly all in the first channel.
    assert (first / second).item() == pytest.approx(3, rel=0.15)


def test_the_same_seed_gives_the_same_network_and_another_seed_another(make: Any, network: Any) -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    again, other = make().state_dict(), make(seed=1).state_dict()

    assert torch.equal(torch.get_rng_state(), before)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again[name], value)
    assert not torch.allclose(other["dense.weight"], again["dense.weight"])


def test_layer_normalization_has_gains_and_shifts_too(model_file: Any) -> None:
    bert = model_file("bert")
    sizes = {"vocabulary": 50, "length": 16}
    build = partial(bert.build, **sizes, width=64, layers=2)
    network = model_file("weights").untrained(
        build, [(bert.example_inputs(**sizes)[0].repeat(2, 1).fill_diagonal_(7),)]
    )
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.LayerNorm)]
    gains, shifts = (torch.cat([getattr(layer, name) for layer in layers]) for name in ("weight", "bias"))

    assert gains.log().std().item() == pytest.approx(0.3, abs=0.05)
    assert (shifts.mean().item(), shifts.std().item()) == pytest.approx((0, 0.3), abs=0.05)
