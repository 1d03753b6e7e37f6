"""Models and data as users name them, resolved and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from edgeopt.core.artifact import FORMATS, Artifact, TensorSpec
from edgeopt.core.dataset import CONFIRM, Dataset
from edgeopt.core.overlap import require_disjoint_parts
from edgeopt.core.profiles import load_target
from edgeopt.core.target import HOST
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.load import onnx_artifact
from edgeopt.runners import RUNNERS, runner_named, runtime_of

BUNDLED_MODEL = "digits_resnet8.onnx"
BUNDLED_DATA = "digits.npz"
Named = str | Path


def bundled(name: str) -> Path:
    """A file of the small trained model that ships with edgeopt."""
    return Path(str(files("edgeopt._models").joinpath(name)))


def model_artifact(model: Named) -> Artifact:
    """The artifact that `model` names.

    Raises:
        InputError: It cannot be read.
        Unsupported: Its format is none that can be run yet.
    """
    path = Path(model)
    if FORMATS.get(path.suffix.lower()) == "tflite":
        from edgeopt.graph.tflite.read import tflite_artifact

        return tflite_artifact(path)
    return onnx_artifact(path)


def models_or_default(models: Sequence[Named]) -> tuple[Path, ...]:
    """`models`; without any, that of ./edgeopt.toml, else the bundled one."""
    from edgeopt.core.config import CONFIG_NAME, load_config  # with pydantic, which costs 50 ms

    if models:
        return tuple(Path(model) for model in models)
    config = Path(CONFIG_NAME)
    if config.exists():
        return (config.parent / load_config(config).model.path,)
    return (bundled(BUNDLED_MODEL),)


def data_for(artifact: Artifact, data: Named, preprocess: Preprocess | None = None) -> Dataset:
    """The data set that `data` names, bound to the model's inputs.

    Raises:
        InputError: It cannot be read, does not fit the model, or two of its parts share a sample.
    """
    return data_for_inputs(artifact.inputs, data, preprocess)


def data_for_inputs(inputs: tuple[TensorSpec, ...], data: Named, preprocess: Preprocess | None = None) -> Dataset:
    """The data set that `data` names, bound to these inputs.

    Raises:
        InputError: It cannot be read, does not fit the inputs, or two of its parts share a sample.
    """
    from edgeopt.data.bind import bind_dataset
    from edgeopt.data.read import read_dataset

    dataset = read_dataset(str(data), inputs)
    require_disjoint_parts(dataset)
    return bind_dataset(dataset, inputs, preprocess)


def judged_rows(data: Dataset, artifacts: Sequence[Artifact]) -> Dataset:
    """The samples that count for all of `artifacts`.

    These are the rows of part `confirm` where the data names parts, else all; without those that any of the models was
    calibrated on, which the models themselves say.

    Raises:
        InputError: None is left.
    """
    import numpy as np

    from edgeopt.graph.calibration_rows import without_calibration

    named = data if data.part is None else data.rows(np.flatnonzero(data.part == CONFIRM))
    if not len(named):
        raise InputError(f"`{data.source}` has no row of part `{CONFIRM}`", hint="mark the rows to judge on so")
    judged = without_calibration(named, [artifact.path for artifact in artifacts])
    if not len(judged):
        raise InputError(f"every sample of `{data.source}` was calibrated on", hint="judge on samples of their own")
    return judged


def same_rows(judged: Dataset, bound_to: Artifact, model: Artifact, read: Callable[[Artifact], Dataset]) -> Dataset:
    """The samples of `judged` as another model takes them, which may name, lay out or quantize its inputs otherwise.

    Args:
        judged: Samples bound to the inputs of `bound_to`.
        bound_to: The model that they were read for.
        model: The other model.
        read: All samples of the data bound to a model.

    Raises:
        InputError: The data does not fit the other model.
    """
    if _inputs_of(model) == _inputs_of(bound_to):
        return judged
    return read(model).rows(judged.indices)


def _inputs_of(model: Artifact) -> list[object]:
    """What decides how samples are bound to a model: all of its inputs but the length of the batch."""
    return [(spec.name, spec.shape[1:], spec.dtype, spec.quantization) for spec in model.inputs]


def runtime_for(artifact: Artifact, runtime: str | None) -> str:
    """The runner for an artifact: the one asked for, else the one of its format.

    Raises:
        Unsupported: It, or every runner, does not take the format.
    """
    found = runtime_of(artifact.path, runtime)
    if runtime not in (None, found):
        taken = ", ".join(f"`{name}`" for name in sorted(RUNNERS) if artifact.format in runner_named(name).formats)
        raise Unsupported(
            f"runtime `{runtime}` does not run {artifact.format} files such as `{artifact.path}`",
            hint=f"those that do: {taken}; without `--runtime` it is `{runtime_of(artifact.path)}`",
        )
    return found


def require_onnx(artifact: Artifact, *, what: str) -> None:
    """Refuse a model of another format where the graph of an ONNX model is needed.

    Raises:
        Unsupported: It is of another format.
    """
    if artifact.format != "onnx":
        raise Unsupported(
            f"{what} works on ONNX models, `{artifact.path}` is a {artifact.format} file",
            hint="give the ONNX model that it was converted from: `edgeopt convert MODEL.onnx` makes the .tflite",
        )


def require_host(target: str, *, what: str) -> None:
    """Refuse a target whose `what` cannot be had without the board.

    Raises:
        InputError: There is no such target.
        Unsupported: It is not this machine.
    """
    if not load_target(target).is_host:
        raise Unsupported(
            f"there is no {what} for `{target}` yet: no board is attached and no estimate is fitted",
            hint=f"install edgeopt on the {target} and run the same command there with `--target {HOST}`",
        )
