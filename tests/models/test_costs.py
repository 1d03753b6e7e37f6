"""The networks have the parameters and take the MACs that their docstrings promise."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")


def macs_of_convolutions_and_dense(model: Any, inputs: tuple[Any, ...]) -> int:
    """Multiply-accumulates of one call, batch 1: each output element costs one kernel's weights."""
    macs = []

    def count(layer: Any, _: Any, output: Any) -> None:
        macs.append(output.numel() * layer.weight[0].numel())

    for layer in model.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            layer.register_forward_hook(count)
    model(*inputs)
    return sum(macs)


# MLPerf Tiny's networks, then the authors' figures: MobileNetV2 has 300 M MACs and 3.4 M parameters (table 4), 3.5 M
# with those of batch normalization; ResNet-18 1.8 G MACs and 11.7 M parameters; ResNet-20 0.27 M and ResNet-56 0.85 M.
@pytest.mark.parametrize(
    ("name", "options", "macs", "parameters"),
    [
        ("resnet8", {}, 12_501_632, 78_186),
        ("ds_cnn", {}, 2_656_768, 23_756),
        ("mobilenet_v1", {}, 7_489_664, 216_322),
        ("autoencoder", {}, 264_192, 267_928),
        ("mobilenet_v2", {}, 300_774_272, 3_504_872),
        ("resnet18", {}, 1_814_073_344, 11_689_512),
        ("cifar_resnet", {}, 40_551_040, 269_722),
        ("cifar_resnet", {"depth": 56}, 125_485_696, 853_018),
    ],
)
def test_one_sample_costs_the_published_macs_and_parameters(
    model_file: Any, name: str, options: dict[str, int], macs: int, parameters: int
) -> None:
    module = model_file(name)
    network = module.build(**options).eval()

    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert macs_of_convolutions_and_dense(network, module.example_inputs()) == macs
