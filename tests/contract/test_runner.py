"""What every runner promises, ours or a plug-in's: one suite over all of `RUNNERS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.core.artifact import TensorSpec
from edgeopt.errors import InputError
from edgeopt.runners import RUNNERS, runner_named
from edgeopt.runners.protocol import Runner, Session
from edgeopt.workflow.inputs import model_artifact
from tests.small_tflite import EXPECTED, SmallTflite

SaveModel = Callable[..., Path]
# Builders of the models that each format is tried on: of `tests/conftest.py` and of `tests/small_tflite.py`.
MODELS = {
    "onnx": (
        "conv",
        "conv_fixed_batch",
        "listed_initializers",
        "padded",
        "mlp",
        "two_inputs",
        "nhwc",
        "integer_input",
        "branch",
        "loop",
        "qdq",
    ),
    "tflite": ("conv", "conv_fixed_batch", "mlp", "two_inputs", "integer_input", "quantized", "recurrent"),
}
FREE_BATCH = {
    "onnx": ("conv", "mlp", "two_inputs", "nhwc", "integer_input", "qdq", "listed_initializers"),
    "tflite": ("conv", "mlp", "two_inputs", "integer_input", "quantized"),
}
RUNTIMES = sorted(RUNNERS)


def format_of(runtime: str) -> str:
    """The only format that a runtime of ours takes."""
    (kind,) = runner_named(runtime).formats
    return kind


def cases(models: dict[str, tuple[str, ...]]) -> Any:
    """A test for each runtime and each model of its format."""
    pairs = [(runtime, name) for runtime in RUNTIMES for name in models[format_of(runtime)]]
    return pytest.mark.parametrize(("runner", "name"), pairs, indirect=["runner"])


@pytest.fixture(params=RUNTIMES)
def runner(request: pytest.FixtureRequest) -> Runner:
    return runner_named(request.param)


@pytest.fixture
def kind(runner: Runner) -> str:
    return format_of(runner.name)


@pytest.fixture
def model(kind: str, small_models: Any, save_model: SaveModel, tmp_path: Path) -> Callable[[str], Path]:
    """Writes the model that a builder makes, and gives its path."""

    def write(name: str) -> Path:
        if kind == "onnx":
            return save_model(getattr(small_models, name)(), f"{name}.onnx")
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(getattr(SmallTflite(), name)().content())
        return path

    return write


@pytest.fixture
def expected(kind: str, small_models: Any, outputs_of: Any) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """What the model that a builder makes gives, by another way than the runtime's."""

    def compute(name: str, feeds: dict[str, Any]) -> dict[str, Any]:
        if kind == "onnx":
            found: dict[str, Any] = outputs_of(getattr(small_models, name)(), feeds)
            return found
        return EXPECTED[name](getattr(SmallTflite(), name)(), feeds)

    return compute


def feeds_for(inputs: tuple[TensorSpec, ...], batch: int = 1, seed: int = 0) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    return {
        spec.name: np.asarray(3 * generator.standard_normal(spec.concrete_shape(batch)), dtype=spec.dtype)
        for spec in inputs
    }


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_it_tells_its_name_its_formats_and_its_version(runner: Runner) -> None:
    assert isinstance(runner, Runner)
    assert runner.name in RUNNERS
    assert runner.formats
    assert runner.version()


def test_its_runtime_can_be_loaded_ahead_and_again(runner: Runner, model: Callable[[str], Path]) -> None:
    runner.load_runtime()
    runner.load_runtime()
    with runner.open(model("mlp")) as session:
        assert session.infer(feeds_for(session.inputs))


@cases(MODELS)
def test_a_session_takes_and_gives_what_the_model_does(runner: Runner, model: Callable[[str], Path], name: str) -> None:
    artifact = model_artifact(model(name))
    with runner.open(artifact.path) as session:
        assert isinstance(session, Session)
        assert session.inputs == artifact.inputs
        assert session.outputs == artifact.outputs


@cases(MODELS)
def test_one_sample_gives_every_output_by_name(
    runner: Runner, model: Callable[[str], Path], expected: Callable[..., dict[str, Any]], name: str
) -> None:
    with runner.open(model(name)) as session:
        feeds = feeds_for(session.inputs)
        outputs = session.infer(feeds)

        assert list(outputs) == [spec.name for spec in session.outputs]
        for spec in session.outputs:
            assert outputs[spec.name].dtype == spec.dtype
            assert outputs[spec.name].shape == spec.concrete_shape()
    for key, values in expected(name, feeds).items():
        step = 1 if values.dtype == np.int8 else 1e-5  # a tie between two integers may be rounded either way
        np.testing.assert_allclose(outputs[key], values, rtol=1e-4, atol=step)


@cases(FREE_BATCH)
def test_a_free_batch_takes_three_samples_and_treats_each_as_if_it_were_alone(
    runner: Runner, model: Callable[[str], Path], name: str
) -> None:
    with runner.open(model(name)) as session:
        feeds = feeds_for(session.inputs, batch=3)
        outputs = session.infer(feeds)
        alone = [session.infer({key: array[row : row + 1] for key, array in feeds.items()}) for row in range(3)]

    for key, together in outputs.items():
        assert len(together) == 3
        np.testing.assert_allclose(together, np.concatenate([one[key] for one in alone]), rtol=1e-5, atol=1e-6)


def test_a_call_without_arguments_does_what_infer_does(runner: Runner, model: Callable[[str], Path]) -> None:
    with runner.open(model("two_inputs")) as session:
        feeds = feeds_for(session.inputs, batch=2)
        call = session.call(feeds)
        expected = list(session.infer(feeds).values())

        for _ in range(2):
            returned = call()
            arrays = list(returned.values()) if isinstance(returned, dict) else returned
            np.testing.assert_array_equal(arrays, expected)


def test_the_same_feeds_give_the_same_outputs_again(runner: Runner, model: Callable[[str], Path]) -> None:
    with runner.open(model("conv")) as session:
        feeds = feeds_for(session.inputs)
        before = {key: array.copy() for key, array in feeds.items()}

        assert_same(session.infer(feeds), session.infer(feeds))
        assert_same(feeds, before)


def test_outputs_are_not_overwritten_by_the_next_inference(runner: Runner, model: Callable[[str], Path]) -> None:
    with runner.open(model("conv")) as session:
        first = session.infer(feeds_for(session.inputs, seed=1))
        kept = {key: array.copy() for key, array in first.items()}
        session.infer(feeds_for(session.inputs, seed=2))

    assert_same(first, kept)


def test_two_sessions_are_independent(runner: Runner, model: Callable[[str], Path]) -> None:
    conv, mlp = model("conv"), model("mlp")
    with runner.open(conv) as first:
        expected = first.infer(feeds_for(first.inputs))
        with runner.open(conv) as second, runner.open(mlp) as other:
            other.infer(feeds_for(other.inputs))
            assert_same(second.infer(feeds_for(second.inputs)), expected)

        assert_same(first.infer(feeds_for(first.inputs)), expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_no_output_by_much(
    runner: Runner, model: Callable[[str], Path], threads: int
) -> None:
    path = model("conv")
    with runner.open(path) as single, runner.open(path, threads=threads) as session:
        feeds = feeds_for(single.inputs)
        np.testing.assert_allclose(session.infer(feeds)["scores"], single.infer(feeds)["scores"], rtol=1e-5)


def test_an_error_inside_the_block_comes_out(runner: Runner, model: Callable[[str], Path]) -> None:
    with pytest.raises(KeyError, match="ours"), runner.open(model("conv")):
        raise KeyError("ours")


@pytest.mark.parametrize("content", [b"text", b"\x08\x08", b"version https://git-lfs.github.com/spec/v1\n", bytes(64)])
def test_a_bad_file_is_refused_and_nothing_is_printed(
    runner: Runner, kind: str, tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"bad.{kind}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"bad\.{kind}") as caught:
        runner.open(path)

    assert caught.value.hint
    assert capfd.readouterr() == ("", "")


def test_a_broken_model_is_refused_and_nothing_is_printed(
    runner: Runner, kind: str, model: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, content = tmp_path / f"bad.{kind}", model("conv").read_bytes()
    path.write_bytes(content.replace(b"Relu", b"\xffelu") if kind == "onnx" else content[:-400])
    with pytest.raises(InputError, match=rf"bad\.{kind}"):
        runner.open(path)

    assert capfd.readouterr() == ("", "")


def test_a_missing_an_empty_and_a_folder_model_are_refused(runner: Runner, kind: str, tmp_path: Path) -> None:
    (tmp_path / f"empty.{kind}").touch()
    (tmp_path / f"folder.{kind}").mkdir()
    for name, message in (("no", "does not exist"), ("empty", "is empty"), ("folder", "is not a regular file")):
        with pytest.raises(InputError, match=rf"model `.*{name}\.{kind}` {message}"):
            runner.open(tmp_path / f"{name}.{kind}")


def test_a_fifo_does_not_block(
    runner: Runner, fifo: Callable[[str], Path], ends_soon: Callable[[Callable[[], object]], None]
) -> None:
    path = fifo("model.onnx")
    with pytest.raises(InputError, match="is not a regular file"):
        ends_soon(lambda: runner.open(path))


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"image": np.zeros((1, 3, 8, 9), np.float32)},
        {"image": np.zeros((1, 3, 8), np.float32)},
        {"image": np.zeros((1, 3, 8, 8), np.float64)},
        {"other": np.zeros((1, 3, 8, 8), np.float32)},
    ],
    ids=["none", "shape", "rank", "dtype", "name"],
)
def test_feeds_that_do_not_fit_are_refused(runner: Runner, model: Callable[[str], Path], feeds: dict[str, Any]) -> None:
    with runner.open(model("conv")) as session, pytest.raises(InputError) as caught:
        session.infer(feeds)

    assert "\n" not in caught.value.message
    assert caught.value.hint
