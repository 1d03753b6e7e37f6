"""What a conversion is asked for, checked before anything runs: where the result goes, and what goes together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.core.files import require_writable
from edgeopt.errors import InputError, Unsupported
from edgeopt.steps.convert import Io, Layout
from edgeopt.steps.via.tools import TIMEOUT_SECONDS, TOOLS

if TYPE_CHECKING:
    from edgeopt.steps.export.reference import Source

ENDINGS = (".onnx", ".tflite", ".h")
_OF_TORCH = ("torch", "exported-program")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user asks for besides the source and the output.

    Attributes:
        inputs: Shapes of inputs, as in `image=1x3x32x32:float32`.
        checkpoint: A state dict for a torch module.
        layout: Of images at inputs and outputs of a TFLite model; None leaves the source's.
        io: Type of the inputs and outputs of a quantized TFLite model; None is float32.
        via: Name of another converter; empty for edgeopt's.
        via_python: The Python that has it; empty for this one.
        via_timeout: Seconds that it may take.
        opset: Version of the ONNX operators; None leaves it open.
    """

    inputs: tuple[str, ...] = ()
    checkpoint: Path | None = None
    layout: Layout | None = None
    io: Io | None = None
    via: str = ""
    via_python: str = ""
    via_timeout: float = TIMEOUT_SECONDS
    opset: int | None = None


def output_for(named: Source, output: Path | None) -> Path:
    """Where the result goes: where the user says, else beside the source under its name.

    Without a word of the user an ONNX file becomes `.tflite`, a `.tflite` file a header, and all else `.onnx`.
    """
    if output is not None:
        return output
    ending = {"onnx": ".tflite", "tflite": ".h"}.get(named.kind, ".onnx")
    if named.path is not None:
        return named.path.with_suffix(ending)
    place, _, attribute = named.text.rpartition(":")
    folder = Path(place).parent if place.endswith(".py") else Path()
    return folder / f"{attribute.rpartition('.')[2]}{ending}"


def require_sensible(named: Source, path: Path, wishes: Wishes) -> None:
    """Refuse an output that the source cannot become, and options that would say nothing.

    Raises:
        InputError: The ending is none that is written, or an option does not go with source or output.
        Unsupported: There is no way from the source to the output.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(
            f"output `{path}` ends in `{path.suffix}`",
            hint=".onnx, .tflite or .h (a C array of the .tflite model): the ending chooses",
        )
    if named.kind == "tflite" and ending != ".h":
        raise Unsupported(
            f"`{named.text}` is TFLite already, which edgeopt does not turn back",
            hint="start from the model that it was made of; `-o model.h` writes it as a C array",
        )
    _require_known_via(wishes)
    for option, reason in _idle_options(named, ending, wishes):
        raise InputError(f"`{option}` says nothing here: {reason}", hint=f"leave `{option.split()[0]}` out")
    if named.kind == "onnx" and ending == ".onnx" and not wishes.inputs and wishes.opset is None:
        raise InputError(
            f"`{named.text}` is ONNX already",
            hint="`edgeopt simplify` folds it; `--input` fixes shapes, `--opset` changes its version",
        )
    if named.path is not None and path.resolve() == named.path.resolve():
        raise InputError(f"output `{path}` is the source itself", hint="choose another name with -o")


def require_output(path: Path, *, force: bool) -> None:
    """Check that the result may be written, before any work is done (see `require_writable`)."""
    require_writable(path, force=force)


def _require_known_via(wishes: Wishes) -> None:
    if wishes.via and wishes.via not in TOOLS:
        raise InputError(f"unknown converter `{wishes.via}`", hint="known: " + ", ".join(sorted(TOOLS)))


def _idle_options(named: Source, ending: str, wishes: Wishes) -> list[tuple[str, str]]:
    """(option as given, why it would say nothing) of all that were given."""
    makes_tflite = ending != ".onnx" and named.kind != "tflite"
    is_torch = named.kind in _OF_TORCH
    takes = TOOLS[wishes.via].takes if wishes.via else ""
    found = [
        (f"--layout {wishes.layout}", "only a .tflite or .h that is made here has one", wishes.layout, makes_tflite),
        (f"--io {wishes.io}", "only a .tflite or .h that is made here has one", wishes.io, makes_tflite),
        (f"--via {wishes.via}", "it makes .tflite", wishes.via, makes_tflite),
        (f"--via {wishes.via}", "it converts torch modules and programs", wishes.via, takes != "torch" or is_torch),
        ("--via-python", "it goes with `--via`", wishes.via_python, wishes.via),
        (f"--layout {wishes.layout}", "the tool chooses it", wishes.layout, not wishes.via),
        (f"--io {wishes.io}", "the tool chooses it", wishes.io, not wishes.via),
        (f"--checkpoint {wishes.checkpoint}", "the source holds its weights", wishes.checkpoint, named.kind == "torch"),
        ("--input", "the source says its shapes", wishes.inputs, named.kind in ("onnx", "torch")),
        (
            f"--opset {wishes.opset}",
            "it is of ONNX, and this source is written neither as ONNX nor by way of it",
            wishes.opset,
            named.kind != "tflite" and (ending == ".onnx" or named.kind != "onnx"),
        ),
    ]
    return [(option, reason) for option, reason, given, is_read in found if given and not is_read]
