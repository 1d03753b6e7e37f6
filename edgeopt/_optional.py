"""Optional dependencies: imported where they are needed, refused with the pip line that installs them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from edgeopt.errors import ExtraMissing

# module -> the extra of setup.py that brings it
EXTRAS: dict[str, str] = {
    "torch": "torch",
    "onnxscript": "torch",
    "safetensors": "torch",
    "ai_edge_litert": "tflite",
    "skl2onnx": "sklearn",
    "sklearn": "sklearn",
    "PIL": "images",
    "pyarrow": "tables",
    "optuna": "search",
    "dask": "search",
}


def pip_line(extra: str) -> str:
    """The command that installs `extra`."""
    return f"pip install 'edgeopt[{extra}]'"


def require(module: str, *, purpose: str) -> ModuleType:
    """The imported optional `module`.

    Args:
        module: Name of a top-level module or a submodule of it, listed in `EXTRAS`.
        purpose: What it is needed for, ending the sentence "`x` is needed to ...".

    Raises:
        ExtraMissing: It is not installed.
    """
    extra = EXTRAS[module.partition(".")[0]]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ExtraMissing(f"`{error.name}` is needed to {purpose}", hint=pip_line(extra)) from error
