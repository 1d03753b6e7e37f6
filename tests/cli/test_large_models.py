"""Models above the 2 GiB of one protobuf message: quantized from their path, in bounded memory, written whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, load, numpy_helper

ROWS, WIDTH, USED = 2_200_000, 256, 1000
LAYERS, SIDE = 9, 8192
LIMIT = 2**31
MOST_MEMORY_KIB = 8 * 2**20
node = helper.make_node

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is counted in KiB on Linux"),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory; gigabytes are not left in it."""
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    yield tmp_path / "here"
    left = [path for path in (tmp_path / "temporary").iterdir() if path.name.startswith("edgeopt-")]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.unlink()
    assert left == []


def external(name: str, dims: list[int], offset: int) -> Any:
    """A float32 constant whose data lies in `weights.data`."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    length = int(np.prod(dims)) * 4
    for key, value in (("location", "weights.data"), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def save(place: Path, nodes: list[Any], entry: Any, constants: list[Any]) -> None:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "large", [entry], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (place / "model.onnx").write_bytes(model.SerializeToString())


def save_table(place: Path) -> dict[str, Any]:
    """A table of 2.25 GB, of which the first thousand rows are not zero, before two dense layers; tokens to feed."""
    generator = np.random.default_rng(0)
    with (place / "weights.data").open("wb") as stream:
        stream.write(generator.standard_normal((USED, WIDTH)).astype(np.float32).tobytes())
        stream.truncate(ROWS * WIDTH * 4)
    weights = {
        "w": (generator.standard_normal((WIDTH, WIDTH)) / 16).astype(np.float32),
        "v": (generator.standard_normal((WIDTH, 8)) / 16).astype(np.float32),
    }
    nodes = [
        node("Gather", ["table", "tokens"], ["e"]),
        node("MatMul", ["e", "w"], ["a"]),
        node("Relu", ["a"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    entry = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n", 4])
    save(place, nodes, entry, [external("table", [ROWS, WIDTH], 0), *constants])
    return {"tokens": generator.integers(0, USED, (64, 4))}


def save_layers(place: Path) -> dict[str, Any]:
    """Nine dense layers of 256 MiB each; rows to feed."""
    generator = np.random.default_rng(0)
    nodes, constants, source = [], [], "x"
    with (place / "weights.data").open("wb") as stream:
        for layer in range(LAYERS):
            constants.append(external(f"w{layer}", [SIDE, SIDE], stream.tell()))
            block = (generator.standard_normal((SIDE, 64)) * (2 / SIDE) ** 0.5).astype(np.float32)
            stream.write(np.tile(block, (1, SIDE // 64)).tobytes())
            target = "y" if layer == LAYERS - 1 else f"r{layer}"
            nodes += [node("MatMul", [source, f"w{layer}"], [f"a{layer}"]), node("Relu", [f"a{layer}"], [target])]
            source = target
    save(place, nodes, helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", SIDE]), constants)
    return {"x": generator.standard_normal((16, SIDE)).astype(np.float32)}


def quantize(place: Path) -> int:
    """Runs the program; the most memory that it took, in KiB."""
    arguments = ["quantize", "model.onnx", "--data", "data.npz", "--no-measure", "--no-cache", "-o", "out.onnx"]
    process = subprocess.Popen([sys.executable, "-m", "edgeopt", *arguments], cwd=place)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss


def output(name: str, feeds: dict[str, Any]) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(name, options, providers=["CPUExecutionProvider"]).run(None, feeds)[0]


@pytest.mark.parametrize(("build", "is_still_large"), [(save_table, False), (save_layers, False)])
def test_a_model_above_2_gib_is_quantized(place: Path, build: Any, is_still_large: bool) -> None:
    feeds = build(place)
    np.savez(place / "data.npz", **feeds)

    memory = quantize(place)

    made = {path.name for path in place.iterdir()} - {"model.onnx", "weights.data", "data.npz"}
    tensors = load("out.onnx", load_external_data=False).graph.initializer
    beside = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    assert made == {"out.onnx"} | beside
    assert len(beside) == int(is_still_large)
    assert (sum((place / name).stat().st_size for name in made) > LIMIT) == is_still_large
    assert memory < MOST_MEMORY_KIB
    few = {name: array[:4] for name, array in feeds.items()}
    wanted = output("model.onnx", few)
    noise = np.square(wanted - output("out.onnx", few)).sum()
    assert 10 * np.log10(np.square(wanted).sum() / noise) > 20
