"""CIFAR ResNets have the sizes of He et al., and take trained weights."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

PREPROCESS = [
    *("--scale", "0.00392156862745098", "--layout", "nhwc"),
    *("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"),
]


@pytest.fixture
def cifar_resnet(model_file: Any) -> Any:
    return model_file("cifar_resnet")


# Table 6 of the paper, millions of parameters.
@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_parameters_are_the_published_ones(cifar_resnet: Any, depth: int, millions: float) -> None:
    parameters = sum(parameter.numel() for parameter in cifar_resnet.build(depth=depth).parameters())

    assert parameters / 1e6 == pytest.approx(millions, abs=0.05 if millions > 1 else 0.005)


@pytest.mark.parametrize("depth", [2, 18, 21])
def test_a_depth_that_does_not_divide_is_refused(cifar_resnet: Any, depth: int) -> None:
    with pytest.raises(ValueError, match=f"depth `{depth}` is not 6n"):
        cifar_resnet.build(depth=depth)


def test_the_shortcut_takes_every_second_pixel_between_channels_of_zeros(cifar_resnet: Any) -> None:
    features = torch.rand(2, 16, 8, 8)
    shortcut = cifar_resnet.build().layer2[0].shortcut(features)

    assert torch.equal(shortcut[:, 8:24], features[:, :, ::2, ::2])
    assert shortcut.shape == (2, 32, 4, 4)
    assert not shortcut[:, :8].any()
    assert not shortcut[:, 24:].any()


@pytest.mark.shared
@pytest.mark.parametrize(
    "depth", [pytest.param(20, id="resnet20"), pytest.param(56, id="resnet56", marks=pytest.mark.slow)]
)
def test_evaluate_finds_the_published_accuracy_of_the_exported_network(
    cifar_resnet: Any, model_file: Any, shared_data: Path, tmp_path: Path, depth: int
) -> None:
    folder, name = shared_data / "cifar10", f"resnet{depth}"
    network = cifar_resnet.build(depth=depth)
    network.load_state_dict(torch.load(folder / f"{name}.pt", weights_only=True), strict=True)
    model_file("export").export_onnx(network.eval(), cifar_resnet.example_inputs(), tmp_path / "model.onnx")
    command = [
        sys.executable,
        "-m",
        "edgeopt",
        "evaluate",
        "model.onnx",
        "--data",
        str(folder / "test5k.npz"),
        "--json",
    ]
    run = subprocess.run([*command, *PREPROCESS], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    accuracy = json.loads(run.stdout)["metrics"]["accuracy"]
    published = re.search(rf"{name}: top-1 on test5k ([\d.]+) %", (folder / "ACCURACY.txt").read_text())

    assert published
    assert accuracy["n"] == 5000
    assert round(accuracy["value"] * 5000) == round(float(published[1]) * 50)
