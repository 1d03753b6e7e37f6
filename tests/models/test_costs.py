"""The networks have the parameters and take the MACs that their docstrings promise."""

import runpy
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

MODELS = Path(__file__).parents[2] / "models"


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


@pytest.mark.parametrize(("name", "macs"), [("resnet8", 12_501_632), ("ds_cnn", 2_656_768)])
def test_one_sample_costs_the_macs_of_mlperf_tiny(name: str, macs: int) -> None:
    module = runpy.run_path(str(MODELS / f"{name}.py"))

    assert macs_of_convolutions_and_dense(module["build"]().eval(), module["example_inputs"]()) == macs


@pytest.mark.parametrize(("name", "parameters"), [("resnet8", 78_186), ("ds_cnn", 23_756)])
def test_default_build_has_the_parameters_of_mlperf_tiny(name: str, parameters: int) -> None:
    module = runpy.run_path(str(MODELS / f"{name}.py"))

    assert sum(parameter.numel() for parameter in module["build"]().parameters()) == parameters
