"""What LiteRT does beyond the contract of runners: state, free axes, kernels that it lacks, and its own notices."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.errors import ExtraMissing, InputError, Unsupported
from edgeopt.runners import runner_named, runtime_of
from edgeopt.runners.litert import LiteRtSession
from tests.small_tflite import EXPECTED, Operator, Small, SmallTflite, Tensor, packed

Open = Callable[..., LiteRtSession]


@pytest.fixture(params=["litert", "litert-reference"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens a small model, or the bytes of one, with each kind of kernels."""

    def open_model(model: Small | bytes, **options: Any) -> LiteRtSession:
        path = tmp_path / "model.tflite"
        path.write_bytes(model if isinstance(model, bytes) else model.content())
        session = runner_named(request.param).open(path, **options)
        assert isinstance(session, LiteRtSession)
        return session

    return open_model


def test_each_format_has_its_runtime_and_one_that_is_asked_for_counts_where_it_fits() -> None:
    assert runtime_of(Path("a.onnx")) == "onnxruntime"
    assert runtime_of(Path("a.tflite")) == "litert"
    assert runtime_of(Path("a.tflite"), "litert-reference") == "litert-reference"
    assert runtime_of(Path("a.onnx"), "litert-reference") == "onnxruntime"
    with pytest.raises(InputError, match="unknown runtime `litrt`"):
        runtime_of(Path("a.onnx"), "litrt")
    with pytest.raises(Unsupported, match="nothing here runs `torch` files yet"):
        runtime_of(Path("a.pt2"))
    with pytest.raises(InputError, match=r"`a\.bin` has no known model ending"):
        runtime_of(Path("a.bin"))


def test_a_model_with_state_begins_each_inference_anew(opened: Open) -> None:
    small = SmallTflite.recurrent()
    feeds = {"x": np.array([[1.0, -2.0, 3.0]], np.float32)}
    with opened(small) as session:
        first, call = session.infer(feeds), session.call(feeds)
        again, called = session.infer(feeds), [call()[0] for _ in range(3)]

    np.testing.assert_allclose(first["y"], EXPECTED["recurrent"](small, feeds)["y"], rtol=1e-5)
    for value in (again["y"], *called):
        np.testing.assert_array_equal(value, first["y"])


def test_a_free_axis_takes_one_length_after_the_other(opened: Open) -> None:
    with opened(SmallTflite.two_inputs()) as session:
        for batch in (4, 1, 7):
            feeds = {name: np.full((batch, 3), value, np.float32) for name, value in (("left", 5), ("right", 3))}
            outputs = session.infer(feeds)
            assert outputs["total"].tolist() == [[8, 8, 8]] * batch
            assert outputs["gap"].tolist() == [[2, 2, 2]] * batch


def test_a_fixed_batch_takes_no_other(opened: Open) -> None:
    told = r"the model takes image \(1 x 3 x 8 x 8\) float32, not \(2 x 3 x 8 x 8\) float32"
    with opened(SmallTflite.conv(is_fixed=True)) as session, pytest.raises(InputError, match=told):
        session.infer({"image": np.zeros((2, 3, 8, 8), np.float32)})


def test_a_batch_that_the_model_fixes_inside_is_refused_and_others_still_run(opened: Open) -> None:
    small = Small(
        tensors=[
            Tensor(name="x", shape=(1, 4), free=(0,)),
            Tensor(name="shape", data=np.array([2, 2], np.int32)),
            Tensor(name="y", shape=(2, 2)),
        ],
        operators=[Operator(kind="RESHAPE", inputs=["x", "shape"], outputs=["y"])],
        inputs=["x"],
        outputs=["y"],
    )
    with opened(small) as session:
        with pytest.raises(InputError, match="LiteRT does not take inputs of shape 3 x 4") as caught:
            session.infer({"x": np.zeros((3, 4), np.float32)})
        kept = session.infer({"x": np.arange(4, dtype=np.float32).reshape(1, 4)})

    assert "use a batch of 1" in caught.value.hint
    assert kept["y"].tolist() == [[0, 1], [2, 3]]


def test_outputs_are_called_as_the_signature_says(opened: Open) -> None:
    small = SmallTflite.two_inputs()
    small.signature = ({"a": "left", "b": "right"}, {"difference": "gap", "sum": "total"})
    with opened(small) as session:
        outputs = session.infer({"a": np.full((1, 3), 5, np.float32), "b": np.full((1, 3), 3, np.float32)})

    assert {name: value.tolist() for name, value in outputs.items()} == {"sum": [[8, 8, 8]], "difference": [[2, 2, 2]]}


def test_samples_that_do_not_lie_in_order_are_taken_as_they_are(opened: Open) -> None:
    image = np.random.default_rng(0).standard_normal((1, 8, 3, 8)).astype(np.float32).transpose(0, 2, 1, 3)
    with opened(SmallTflite.conv()) as session:
        there, copied = session.infer({"image": image}), session.infer({"image": np.ascontiguousarray(image)})

    np.testing.assert_array_equal(there["scores"], copied["scores"])


def test_a_custom_operator_is_not_supported(opened: Open) -> None:
    with pytest.raises(Unsupported, match=r"LiteRT has no kernel for an operator of .* Mystery") as caught:
        opened(SmallTflite.custom())

    assert "`edgeopt inspect`" in caught.value.hint


def test_an_operator_of_a_version_that_litert_lacks_is_not_supported(opened: Open) -> None:
    model = SmallTflite.mlp().as_object()
    model.operatorCodes[0].version = 99
    with pytest.raises(Unsupported, match=r"LiteRT has no kernel for an operator of .*FULLY_CONNECTED.*99"):
        opened(packed(model))


def test_a_model_that_no_memory_holds_is_refused(opened: Open) -> None:
    small = Small(
        tensors=[Tensor(name=name, shape=(1 << 20, 1 << 17)) for name in ("x", "y", "z")],
        operators=[Operator(kind="ADD", inputs=["x", "y"], outputs=["z"], options=("AddOptions", {}))],
        inputs=["x", "y"],
        outputs=["z"],
    )
    with pytest.raises(InputError, match="LiteRT does not take"):
        opened(small)


def test_threads_may_be_left_to_the_machine(opened: Open) -> None:
    with opened(SmallTflite.mlp(), threads=0) as session:
        assert session.infer({"x": np.zeros((1, 3), np.float32)})


def test_what_litert_tells_of_itself_does_not_reach_stderr_and_what_others_write_does(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(SmallTflite.conv().content())
    code = (
        "import os, sys; from pathlib import Path; from edgeopt.runners import litert, runner_named\n"
        "session = runner_named('litert').open(Path(sys.argv[1]))\n"
        "with litert._without_notices(): os.write(2, b'INFO: one\\nWARNING: two\\n')\n"
        "os.write(2, b'three\\n')"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)

    assert ran.stderr == "WARNING: two\nthree\n"
    assert ran.stdout == ""


def test_a_closed_stderr_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(SmallTflite.conv().content())
    code = (
        "import os, sys; os.close(2); from pathlib import Path; from edgeopt.runners import runner_named\n"
        "print(runner_named('litert').open(Path(sys.argv[1])).outputs[0].name)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, check=True)

    assert ran.stdout == "scores\n"


def test_without_litert_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(SmallTflite.mlp().content())
    for name in [name for name in sys.modules if name.partition(".")[0] == "ai_edge_litert"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    for refused in (runner_named("litert").load_runtime, runner_named("litert").version):
        with pytest.raises(ExtraMissing, match="is needed to run TFLite models") as caught:
            refused()
        assert caught.value.hint == "pip install 'edgeopt[tflite]'"
    with pytest.raises(ExtraMissing):
        runner_named("litert").open(path)


def test_an_onnx_model_is_run_without_litert(tmp_path: Path, small_models: Any, save_model: Any) -> None:
    code = (
        "import sys; from pathlib import Path; import edgeopt.workflow.bench, edgeopt.workflow.evaluate\n"
        "from edgeopt.workflow.inputs import model_artifact; from edgeopt.runners import runner_named, runtime_of\n"
        "path = Path(sys.argv[1]); model_artifact(path); runner_named(runtime_of(path)).open(path)\n"
        "print([name for name in sys.modules if 'litert' in name or 'flatbuffers' in name])"
    )
    command = [sys.executable, "-c", code, str(save_model(small_models.mlp()))]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=dict(os.environ))

    # onnxruntime brings flatbuffers itself; neither LiteRT nor edgeopt's runner of it is imported
    assert "litert" not in ran.stdout
