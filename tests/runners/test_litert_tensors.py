"""Every tensor of a TFLite model is to be had, as the reference kernels compute it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.core.dataset import Dataset, no_samples
from edgeopt.graph.tflite.read import read_tflite
from edgeopt.runners.litert_tensors import litert_tensors
from edgeopt.steps.quantize.step import Quantize
from edgeopt.steps.tflite.step import Tflite

IMAGE = np.random.default_rng(0).standard_normal((40, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def source(small_models: Any, save_model: Callable[..., Path]) -> Path:
    return save_model(small_models.padded())


def test_tensors_between_the_nodes_are_kept(source: Path, outputs_of: Any, small_models: Any) -> None:
    made = source.with_suffix(".tflite")
    Tflite().apply(source, made, no_samples())
    graph = read_tflite(made).graphs[0]
    names = [tensor.name for tensor in graph.tensors]

    found = litert_tensors(made, {"image": IMAGE[:1]}, names)

    convolution = next(each for each in graph.operators if each.name == "CONV_2D")
    inner = found[graph.tensors[convolution.outputs[0]].name]
    wanted = outputs_of(small_models.padded(), {"image": IMAGE[:1]})["features"]
    assert inner.shape == (1, 8, 8, 4)
    np.testing.assert_allclose(inner.transpose(0, 3, 1, 2), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["image"], IMAGE[:1])


def test_integers_come_as_the_numbers_that_they_stand_for(source: Path) -> None:
    quantized, made = source.with_name("int8.onnx"), source.with_suffix(".tflite")
    data = Dataset(inputs={"image": IMAGE}, source="normal", indices=np.arange(40))
    Quantize(target="rpi4").apply(source, quantized, data)
    Tflite().apply(quantized, made, no_samples())
    graph = read_tflite(made).graphs[0]
    rounding = next(each for each in graph.operators if each.name == "QUANTIZE")
    tensor = graph.tensors[rounding.outputs[0]]

    found = litert_tensors(made, {"image": IMAGE[:1]}, [tensor.name])

    assert tensor.dtype in {"int8", "uint8"}
    steps = found[tensor.name] / np.float32(tensor.scales[0])
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    assert np.ptp(found[tensor.name]) > 0.5


def test_a_name_that_the_graph_lacks_is_left_out(source: Path) -> None:
    made = source.with_suffix(".tflite")
    Tflite().apply(source, made, no_samples())

    assert litert_tensors(made, {"image": IMAGE[:1]}, ["nobody"]) == {}
