"""Runtimes that open an artifact and infer with it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edgeopt.core.artifact import FORMATS, unknown_format
from edgeopt.errors import InputError, Unsupported, near_names

if TYPE_CHECKING:
    from edgeopt.runners.protocol import Runner

RUNNERS: dict[str, str] = {
    "onnxruntime": "edgeopt.runners.onnxruntime:OnnxRuntimeRunner",
    "litert": "edgeopt.runners.litert:LiteRtRunner",
    "litert-reference": "edgeopt.runners.litert:LiteRtReferenceRunner",
}
RUNNER_OF_FORMAT: dict[str, str] = {"onnx": "onnxruntime", "tflite": "litert"}


def runner_named(name: str) -> Runner:
    """The runner called `name`: one of `RUNNERS`, else one that a package offers as entry point `edgeopt.runners`.

    Raises:
        InputError: There is none of that name.
    """
    reference = RUNNERS.get(name) or _entry_point(name)
    if reference is None:
        raise InputError(f"unknown runtime `{name}`", hint=near_names(name, RUNNERS))
    module, _, attribute = reference.partition(":")
    return cast("Runner", getattr(import_module(module), attribute)())


def runtime_of(path: Path, asked: str | None = None) -> str:
    """Name of the runner for a model file: the one asked for where it takes the file's format, else that of the format.

    Raises:
        InputError: There is no runner `asked`, or the file's ending is not known.
        Unsupported: No runner takes the format.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise unknown_format(path)
    if asked and kind in runner_named(asked).formats:
        return asked
    if kind not in RUNNER_OF_FORMAT:
        raise Unsupported(f"nothing here runs `{kind}` files yet", hint="give an .onnx or a .tflite model")
    return RUNNER_OF_FORMAT[kind]


def _entry_point(name: str) -> str | None:
    from importlib.metadata import entry_points

    return next((point.value for point in entry_points(group="edgeopt.runners", name=name)), None)
