"""The converters that `--via` names, and how each is called."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from edgeopt.core.files import replacing
from edgeopt.errors import EdgeoptError, ExtraMissing, InputError, ToolFailed, Unsupported
from edgeopt.graph.tflite.read import read_tflite
from edgeopt.steps.via.child import run_tool

TIMEOUT_SECONDS = 900.0
_LOOK_SECONDS = 60.0
_LITERT_TORCH = Path(__file__).with_name("litert_torch_child.py")
# TensorFlow, where a tool brings it, writes pages of notices and looks for GPUs.
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A converter to TFLite.

    Attributes:
        name: As `--via` takes it.
        module: The Python module that it is.
        takes: What it converts: `onnx`, or `torch` for an exported program.
        command: (Python, source, folder for what it makes, shapes of inputs) -> its command line.
    """

    name: str
    module: str
    takes: str
    command: Callable[[str, Path, Path, Mapping[str, tuple[int, ...]]], list[str]]


def _onnx2tf(python: str, source: Path, folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    command = [python, "-m", "onnx2tf", "-i", str(source), "-o", str(folder), "-n"]
    if shapes:
        command += ["-ois", *(f"{name}:{','.join(map(str, lengths))}" for name, lengths in shapes.items())]
    return command


def _litert_torch(python: str, source: Path, folder: Path, _shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    return [python, str(_LITERT_TORCH), str(source), str(folder / "model.tflite")]


TOOLS: dict[str, Tool] = {
    "litert-torch": Tool(name="litert-torch", module="litert_torch", takes="torch", command=_litert_torch),
    "onnx2tf": Tool(name="onnx2tf", module="onnx2tf", takes="onnx", command=_onnx2tf),
}


def require_tool(tool: Tool, python: str) -> str:
    """The Python that has `tool`: `python`, or this one where that is empty.

    Raises:
        InputError: There is no such Python.
        ExtraMissing: It does not have the tool.
    """
    if not python:
        if find_spec(tool.module) is None:
            raise _missing(tool, sys.executable)
        return sys.executable
    look = f"import sys, importlib.util as u; sys.exit(3 if u.find_spec({tool.module!r}) is None else 0)"
    try:
        code = subprocess.run(
            [python, "-c", look], capture_output=True, check=False, timeout=_LOOK_SECONDS, stdin=subprocess.DEVNULL
        ).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"`{python}` cannot be run: {error}", hint="name the Python that has the tool, as in /path/to/bin/python"
        ) from error
    if code == 3:
        raise _missing(tool, python)
    if code:
        raise InputError(f"`{python}` is no Python: it ended with code {code}", hint="name a Python interpreter")
    return python


def fixed_shapes(source: Path, given: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes of those inputs of an ONNX model that have free axes: as the user says, else at a batch of 1.

    Raises:
        InputError: A shape is for no input of the model.
        Unsupported: An axis besides the batch is free, and no shape is given.
    """
    from edgeopt.graph.fixed import require_known_inputs
    from edgeopt.graph.load import onnx_artifact

    specs = onnx_artifact(source).inputs
    require_known_inputs(specs, given, where=str(source))
    shapes: dict[str, tuple[int, ...]] = {}
    for spec in specs:
        axes = given.get(spec.name, spec.shape)
        free = [axis for axis, length in enumerate(axes) if not isinstance(length, int)]
        if any(axis > 0 for axis in free):
            raise Unsupported(
                f"input `{spec}` has an axis of free length besides the batch",
                hint=f"fix it: --input {spec.name}=" + "x".join(str(length or "N") for length in axes),
            )
        if free or spec.name in given:
            shapes[spec.name] = tuple(length if isinstance(length, int) else 1 for length in axes)
    return shapes


def make_via(
    tool: Tool,
    source: Path,
    output: Path,
    *,
    python: str,
    shapes: Mapping[str, tuple[int, ...]],
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> None:
    """Let `tool` make the TFLite file `output` of `source`.

    Args:
        tool: The converter.
        source: An ONNX model, or an exported program, as it takes it.
        output: Written whole or not at all.
        python: That has the tool (see `require_tool`).
        shapes: Of inputs whose axes are free, by name.
        timeout_seconds: For the tool.

    Raises:
        ToolFailed: It fails, takes too long, or leaves no TFLite file.
        Unsupported: What it left needs operators that LiteRT lacks.
    """
    with tempfile.TemporaryDirectory(prefix="edgeopt-") as place:
        folder = Path(place, "made")
        folder.mkdir()
        command = tool.command(python, source.resolve(), folder, shapes)
        run_tool(tool.name, command, timeout_seconds=timeout_seconds, folder=folder, environment=_ENVIRONMENT)
        content = _made(tool, folder).read_bytes()
    with replacing(output, force=True) as temporary:
        temporary.write_bytes(content)


def _made(tool: Tool, folder: Path) -> Path:
    """The file that a tool left, checked to be one that LiteRT may be given."""
    found = sorted(folder.rglob("*.tflite"))
    whole = [path for path in found if path.stem.endswith("_float32")] or found
    if not whole:
        raise ToolFailed(
            f"{tool.name} ended well and wrote no .tflite file", hint="run it yourself to see what it says"
        )
    try:
        model = read_tflite(whole[0])
    except EdgeoptError as error:
        reason = error.message.replace(str(folder), tool.name)
        raise ToolFailed(f"what {tool.name} wrote cannot be used: {reason}") from error
    custom = sorted({operator.name for graph in model.graphs for operator in graph.operators if operator.is_custom})
    if custom:
        names = ", ".join(f"`{name}`" for name in custom)
        raise Unsupported(
            f"{tool.name} wrote operators that LiteRT lacks: {names}; nothing is written",
            hint="convert without `--via`, or write the model without what became these operators",
        )
    return whole[0]


def _missing(tool: Tool, python: str) -> ExtraMissing:
    return ExtraMissing(
        f"{tool.name} is not installed in `{python}`",
        hint=f"{python} -m pip install {tool.name}; or name the Python that has it with `--via-python`",
    )
