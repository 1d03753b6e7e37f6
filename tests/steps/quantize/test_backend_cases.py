"""The cases that come with `onnx` itself: each gives a valid int8 model that computes nearly the same, or is refused.

Inputs behind the first become constants, as weights are; the first is calibrated on as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.runtime import runtime_errors
from edgeopt.steps.quantize.step import Quantize

WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "Einsum", "Attention", "DeformConv"}
CASES = Path(onnx.__file__).parent / "backend" / "test" / "data"
STORED = sorted(
    path
    for kind in ("pytorch-operator", "pytorch-converted")
    for path in (CASES / kind).iterdir()
    if any(name in path.name.lower() for name in ("conv", "linear", "mm"))
)
LEAST_SQNR_DB = 15.0


def operators(model: Any) -> set[str]:
    inner = [node for function in model.functions for node in function.node]
    return {node.op_type for node in (*model.graph.node, *inner)}


def with_weights(model: Any, arrays: list[Any]) -> tuple[Any, dict[str, Any]]:
    """The model with all inputs but the first as constants, and what the first is fed."""
    constants = {tensor.name for tensor in model.graph.initializer}
    first, *others = [value for value in model.graph.input if value.name not in constants]
    for value, array in zip(others, arrays[1:], strict=False):
        model.graph.input.remove(value)
        model.graph.initializer.append(numpy_helper.from_array(array, value.name))
    return model, {first.name: arrays[0]}


def run(path: Path, feeds: dict[str, Any], *, is_optimized: bool) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if not is_optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return list(onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, feeds))


def sqnr(wanted: Any, got: Any) -> float:
    """Signal to noise in dB over what is finite."""
    assert (wanted.shape, wanted.dtype) == (got.shape, got.dtype)
    if wanted.dtype.kind != "f":
        return float("inf")
    is_finite = np.isfinite(wanted)
    signal, given = wanted[is_finite].astype(np.float64), got[is_finite].astype(np.float64)
    noise = np.square(signal - given).sum()
    return float("inf") if not noise else float(10 * np.log10(max(np.square(signal).sum(), 1e-30) / noise))


def outcome(model: Any, feeds: dict[str, Any], folder: Path, target: str) -> str:
    """`quantized`, or `refused` with nothing written; anything else fails."""
    source, output = folder / "model.onnx", folder / "out.onnx"
    source.write_bytes(model.SerializeToString())
    rows = len(next(iter(feeds.values())))
    data = Dataset(inputs=feeds, source="the case's own input", indices=np.arange(rows))
    try:
        Quantize(target=target).apply(source, output, data)
    except (InputError, Unsupported) as refusal:
        is_clear = bool(refusal.message and refusal.hint) and not output.exists()
        return "refused" if is_clear else f"refused without a hint, or with a file left: {refusal}"
    try:
        expected = run(source, feeds, is_optimized=False)
    except runtime_errors():  # the original has operators too old for the runtime, the upgraded one has not
        run(output, feeds, is_optimized=True)
        return "quantized"
    for is_optimized in (False, True):
        for wanted, got in zip(expected, run(output, feeds, is_optimized=is_optimized), strict=True):
            assert sqnr(wanted, got) > LEAST_SQNR_DB
    return "quantized"


def stored(folder: Path) -> tuple[Any, list[Any]]:
    files = sorted((folder / "test_data_set_0").glob("input_*.pb"))
    tensors = [onnx.TensorProto.FromString(path.read_bytes()) for path in files]
    return onnx.load(folder / "model.onnx"), [numpy_helper.to_array(tensor) for tensor in tensors]


@pytest.mark.parametrize("folder", STORED, ids=lambda path: path.name)
def test_a_stored_case_quantizes_or_is_refused(folder: Path, tmp_path: Path) -> None:
    made = outcome(*with_weights(*stored(folder)), tmp_path, "rpi4")

    assert made == ("refused" if "convtranspose" in folder.name.lower() else "quantized")


def node_cases() -> Iterator[tuple[str, Any, list[Any]]]:
    """Cases of single operators with float tensors alone."""
    from onnx.backend.test.loader import load_model_tests

    for case in load_model_tests(kind="node"):
        arrays = case.data_sets[0][0]
        if operators(case.model) & WEIGHTED and all(isinstance(array, np.ndarray) for array in arrays):
            yield case.name, case.model, arrays


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", ["rpi4", "x86-64-vnni"])
def test_every_case_of_a_weighted_operator_quantizes_or_is_refused(target: str, tmp_path: Path) -> None:
    count: Counter[str] = Counter()
    faults: dict[str, str] = {}
    for name, model, arrays in node_cases():
        if arrays[0].ndim == 0:
            continue  # the step is never given it: see `bind_dataset`
        folder = tmp_path / name
        folder.mkdir()
        try:
            made = outcome(*with_weights(model, arrays), folder, target)
        except (AssertionError, *runtime_errors()) as error:
            made = f"{type(error).__name__}: {error}"
        count[made] += 1
        if made not in ("quantized", "refused"):
            faults[name] = made

    assert faults == {}
    assert count["quantized"] >= 20
    assert count["refused"] >= 200
