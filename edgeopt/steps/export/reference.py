"""What the SOURCE of a conversion is: a file by its ending, or an object of the user's own Python."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgeopt.core.artifact import unknown_format
from edgeopt.data.users_code import UsersCode, load_named
from edgeopt.errors import InputError, Unsupported

Kind = Literal["onnx", "tflite", "exported-program", "torch", "sklearn"]

PURPOSE = "model"
_KINDS: dict[str, Kind] = {".onnx": "onnx", ".tflite": "tflite", ".pt2": "exported-program"}
_CHECKPOINTS = frozenset({".pt", ".pth", ".ckpt", ".bin", ".safetensors"})
_PICKLES = frozenset({".pkl", ".pickle", ".joblib"})
_REFERENCE_HINT = (
    "give an .onnx, .tflite or .pt2 file, or `module:name` or `file.py:name` of a torch module, of a function that "
    "returns one, or of a fitted scikit-learn estimator"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is to be converted.

    Attributes:
        text: As the user wrote it.
        kind: What it is.
        path: The file; None for an object of the user's Python.
        value: The torch module or the estimator; None for a file.
        module: The Python module that `value` was found in; None for a file.
    """

    text: str
    kind: Kind
    path: Path | None = None
    value: Any = None
    module: Any = None


def kind_of(source: str) -> Kind:
    """What `source` is; an object of the user's Python is loaded for it (see `source_from_text`)."""
    return source_from_text(source).kind


def source_from_text(text: str) -> Source:
    """The file or object that `text` names; a factory is called, a class of torch modules is made an instance of.

    Whatever the user's code prints goes to stderr: stdout is for data.

    Raises:
        InputError: There is nothing of that name, it fails, needs arguments, or gives something else; or it is a
            checkpoint without its module.
        Unsupported: It is a Keras or TensorFlow model.
        ExtraMissing: The user's code imports torch or scikit-learn, which is not installed.
    """
    path = Path(text)
    ending = path.suffix.lower()
    if ending in _KINDS:
        return Source(text=text, kind=_KINDS[ending], path=path)
    if text:
        _refuse_other_files(path, ending)
    if not text.rpartition(":")[0]:
        raise InputError(f"source `{text}` is no model file and names no Python object", hint=_REFERENCE_HINT)
    with contextlib.redirect_stdout(sys.stderr):
        named = load_named(text, purpose=PURPOSE)
        value = _made(text, named.value)
    return Source(text=text, kind=_kind_of_object(text, value), value=value, module=named.module)


def _refuse_other_files(path: Path, ending: str) -> None:
    if ending in _CHECKPOINTS:
        raise InputError(
            f"`{path}` is a checkpoint: it holds numbers, not the model that they belong to",
            hint=f"give the model's code and the checkpoint: `edgeopt convert net.py:build --checkpoint {path}`",
        )
    if ending in _PICKLES:
        raise InputError(
            f"`{path}` is a Python pickle, which runs code when it is loaded",
            hint="write a function that loads it, and give that: `edgeopt convert file.py:function`",
        )
    if ending in {".h5", ".keras", ".pb"}:
        raise unknown_format(path)
    if path.is_dir():
        is_saved_model = any((path / name).is_file() for name in ("saved_model.pb", "keras_metadata.pb"))
        if not is_saved_model:
            raise InputError(f"source `{path}` is a folder", hint=_REFERENCE_HINT)
        raise Unsupported(
            f"`{path}` is a TensorFlow SavedModel",
            hint=f"export it to ONNX first: python -m tf2onnx.convert --saved-model {path} --output model.onnx",
        )


def _made(text: str, value: Any) -> Any:
    """What a factory or a class gives, or the object itself."""
    if _is_torch_module(value) or _is_estimator(value):
        return value
    if not callable(value):
        raise InputError(f"{PURPOSE} `{text}` is a `{type(value).__name__}`, no model", hint=_REFERENCE_HINT)
    needed = _needed_arguments(value)
    if needed:
        raise InputError(
            f"{PURPOSE} `{text}` needs arguments: {', '.join(f'`{name}`' for name in needed)}",
            hint="give a function without arguments that calls it with them",
        )
    with UsersCode(text, purpose=PURPOSE):
        return value()


def _needed_arguments(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # one that is written in C may not say
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in variable]


def _kind_of_object(text: str, value: Any) -> Kind:
    if _is_torch_module(value):
        return "torch"
    if _is_estimator(value):
        return "sklearn"
    raise InputError(f"{PURPOSE} `{text}` gives a `{type(value).__name__}`, no model", hint=_REFERENCE_HINT)


def _is_torch_module(value: Any) -> bool:
    """Whether it is an instance of `torch.nn.Module`; where torch was not imported, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _is_estimator(value: Any) -> bool:
    """Whether it is an estimator by scikit-learn's own convention, fitted or not."""
    return not isinstance(value, type) and all(hasattr(value, name) for name in ("fit", "get_params"))
