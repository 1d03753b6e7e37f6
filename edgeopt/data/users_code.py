"""The user's own Python: found as `module:name` or `file.py:name`, and its failures told as theirs."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from edgeopt._optional import EXTRAS, pip_line
from edgeopt.core.files import require_regular_file
from edgeopt.errors import EdgeoptError, ExtraMissing, InputError, near_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a reference names.

    Attributes:
        value: The function, class or object.
        module: The module that it was found in.
    """

    value: Any
    module: Any


def load_named(reference: str, *, purpose: str) -> Named:
    """What `module:name` or `file.py:name` names; the working directory is looked in first.

    Args:
        reference: As the user wrote it.
        purpose: What it is to the user, as in "data" or "metric".

    Raises:
        InputError: There is no such module or name, or importing it fails.
        ExtraMissing: It imports an optional dependency of edgeopt that is not installed.
    """
    location, _, name = reference.rpartition(":")
    module = _imported(reference, location, purpose)
    if not hasattr(module, name):
        own = {key: value for key, value in vars(module).items() if not isinstance(value, ModuleType)}
        public = [key for key in own if not key.startswith("_")]
        raise InputError(
            f"{purpose} `{reference}`: `{location}` has nothing called `{name}`",
            hint=near_names(name, public) if public else "check its name",
        )
    return Named(value=getattr(module, name), module=module)


def load_function(reference: str, *, purpose: str) -> Callable[..., Any]:
    """The function that `module:function` or `file.py:function` names; the working directory is looked in first.

    Raises:
        InputError: There is no such module or function, or importing it fails.
        ExtraMissing: It imports an optional dependency of edgeopt that is not installed.
    """
    location, _, name = reference.rpartition(":")
    function: Callable[..., Any] | None = getattr(_imported(reference, location, purpose), name, None)
    if not callable(function):
        raise InputError(f"{purpose} `{reference}`: `{location}` has no function `{name}`", hint="check its name")
    return function


class UsersCode:
    """A block that runs the user's own function: whatever it raises is told as theirs, with its line.

    Args:
        reference: The function as the user named it.
        purpose: What it is to the user, as in "data" or "metric".
    """

    def __init__(self, reference: str, *, purpose: str) -> None:
        self._name = f"{purpose} `{reference}`"

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        """Raise the user's failure, or its wish to end the process, as an `InputError`."""
        if not isinstance(error, Exception | SystemExit) or isinstance(error, EdgeoptError):
            return
        frame = traceback.extract_tb(trace)[-1]
        where = f"{Path(frame.filename).name} line {frame.lineno}"
        raise InputError(
            f"{self._name} failed: {type(error).__name__}: {error} ({where})",
            hint="mend the function, or what it is given, then repeat",
        ) from error


_NOT_IMPORTED = (ImportError, OSError, SyntaxError, ValueError)


def _imported(reference: str, location: str, purpose: str) -> Any:
    """The module or file at `location`, run; other failures than those of importing are told with their line."""
    with UsersCode(reference, purpose=purpose):
        try:
            return _module_from_file(Path(location), purpose) if location.endswith(".py") else _module(location)
        except _NOT_IMPORTED as error:
            _refuse_missing_extra(reference, purpose, error)
            raise InputError(f"{purpose} `{reference}` cannot be imported: {error}", hint="check its name") from error


def _refuse_missing_extra(reference: str, purpose: str, error: Exception) -> None:
    """Raise `ExtraMissing` where the user's own import failed for want of one of edgeopt's optional dependencies."""
    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if name in EXTRAS:
        raise ExtraMissing(f"{purpose} `{reference}` needs `{name}`", hint=pip_line(EXTRAS[name])) from error


def _module(name: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)


def _module_from_file(path: Path, purpose: str) -> Any:
    require_regular_file(path, what=purpose)
    spec = importlib.util.spec_from_file_location(f"_edgeopt_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"`{path}` is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    if str(path.parent.absolute()) not in sys.path:
        sys.path.append(
            str(path.parent.absolute())
        )  # last, so that its neighbours are no stand-ins for what is installed
    spec.loader.exec_module(module)
    return module
