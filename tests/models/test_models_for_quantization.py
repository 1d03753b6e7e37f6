"""benchmarks/models_for_quantization.py writes networks and data that edgeopt takes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import models_for_quantization
import numpy as np
import pytest

import edgeopt

torch = pytest.importorskip("torch")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["models_for_quantization.py", *arguments])
    return models_for_quantization.main()


def test_a_network_and_its_data_can_be_quantized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, str(tmp_path / "cache"), "--only", "autoencoder", "--samples", "60") == 0

    model, data = (tmp_path / "cache" / f"autoencoder{ending}" for ending in (".onnx", ".npz"))
    edgeopt.quantize(model, data=data, output=tmp_path / "int8.onnx", samples=40, measure=False)

    assert np.load(data)["x"].shape == (60, 640)
    assert (tmp_path / "int8.onnx").stat().st_size < model.stat().st_size / 2


@pytest.mark.slow
def test_int8_leaves_a_mobilenet_v2_that_nobody_trained_what_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """models/weights.py promises 15 to 28 dB, of which other kernels may lose some; plain random weights keep 4 dB."""
    assert run(monkeypatch, str(tmp_path), "--only", "mobilenet_v2_050_32") == 0
    model, int8, data = (tmp_path / f"mobilenet_v2_050_32{ending}" for ending in (".onnx", ".int8.onnx", ".npz"))
    edgeopt.quantize(model, data=data, output=int8, samples=100, measure=False)

    sqnr_db = edgeopt.compare(model, int8, data=data).as_json()["sqnr_db"]
    assert 12 < sqnr_db < 30


def test_missing_weights_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    networks = models_for_quantization.NETWORKS
    monkeypatch.setitem(networks, "resnet20", replace(networks["resnet20"], checkpoint=tmp_path / "none.pt"))

    assert run(monkeypatch, str(tmp_path), "--only", "resnet20") == 1
    assert capsys.readouterr().err == f"resnet20: left out, its weights are missing: no file {tmp_path / 'none.pt'}\n"
    assert not list(tmp_path.iterdir())


def test_images_are_as_strong_in_every_octave() -> None:
    """Twice the frequency has four times as many waves, each with a quarter of the power."""
    images = models_for_quantization.images(50, torch.Generator().manual_seed(0), side=64)
    power = torch.fft.fft2(images).abs().square().mean((0, 1))
    frequency = torch.fft.fftfreq(64)[:, None].hypot(torch.fft.fftfreq(64)[None]) * 64
    octaves = [power[(frequency >= low) & (frequency < 2 * low)].sum().item() for low in (2, 4, 8)]

    assert max(octaves) / min(octaves) < 1.6
    assert images.std().item() == pytest.approx(1, abs=1e-3)
