"""Whether a TFLite model fits a microcontroller that runs TFLite Micro, and what would make it fit."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.core.dataset import no_samples
from edgeopt.core.target import Sourced, Target
from edgeopt.errors import ExtraMissing, Unsupported
from edgeopt.graph.misfit import Misfit
from edgeopt.graph.quantization import QuantizationState
from edgeopt.graph.tflite.support import (
    ABSENT,
    HYBRID,
    UINT8,
    lacking_in_micro,
    slow_in_integers,
    slow_in_words,
)
from edgeopt.units import format_bytes
from edgeopt.workflow.fit import ON_MCU, Fit, Need, without_fit

if TYPE_CHECKING:
    from edgeopt.graph.tflite.arena import Arena
    from edgeopt.graph.tflite.model import Graph, TfliteModel
    from edgeopt.steps.tflite.step import IoType, Layout

# Code of the runtime: at the least the interpreter alone; at the most what a vendor's runtime and its kernels take for
# one network, as no figures of TFLite Micro's kernels are published.
CODE_BYTES = 16_000
MOST_CODE_BYTES = 187_392
CODE_SOURCE = (
    "at the least the core of TFLite Micro on a Cortex-M3, without kernels "
    "(https://www.tensorflow.org/lite/microcontrollers); at the most 183 KiB, which X-CUBE-AI takes for the largest of "
    "the STM32 model zoo"
)
_WORTH = 0.95  # of the memory that is needed, what an advice may leave at the most
REMEDIES = {
    ABSENT: "write {} with operators that TFLite Micro has, or a kernel for it",
    HYBRID: "quantize the activations of {} too: `edgeopt quantize MODEL --scheme int8`, then `edgeopt convert`",
    UINT8: "quantize {} from the float model again: `edgeopt quantize MODEL --scheme int8`, then `edgeopt convert`",
}


def micro_fit_of_onnx(path: Path, state: QuantizationState, target: Target) -> Fit:
    """The fit of what an ONNX model becomes in TFLite; inputs and outputs are int8 where they can be.

    Args:
        path: The model.
        state: How it is quantized.
        target: A microcontroller.

    Raises:
        InputError: The model cannot be read.
    """
    try:
        model, size, subject = _converted(path, is_integer=state.kind != "none")
        found = micro_fit(model, size, target, subject=subject)
        if found.ram is None or found.ram.fits is not False or not _turns_an_input(model.graphs[0]):
            return found
        turned, _, _ = _converted(path, is_integer=state.kind != "none", layout="nhwc")
    except Unsupported as error:
        return without_fit(target, f"it does not convert to TFLite: {error}", runs=False, hint=error.hint)
    except ExtraMissing as error:
        return without_fit(target, f"it takes a conversion to TFLite: {error}", runs=None, hint=error.hint)
    return replace(found, advice=(*found.advice, *_layout_advice(turned, found.ram)))


def micro_fit(model: TfliteModel, file_bytes: int, target: Target, *, subject: str = "the model") -> Fit:
    """Whether a TFLite model fits a microcontroller.

    Args:
        model: The model.
        file_bytes: Length of its file, which lies in flash as it is.
        target: A microcontroller, or a neural processing unit beside one.
        subject: What the model is, for people.
    """
    from edgeopt.graph.tflite.arena import plan_arena
    from edgeopt.graph.tflite.cmsis import scratch_with_cmsis

    arena = plan_arena(model)
    fast = plan_arena(model, scratch=scratch_with_cmsis(has_vectors="mve" in target.isa))
    ram = Need(
        needed_bytes=arena.needed_bytes,
        most_bytes=max(arena.needed_bytes, fast.needed_bytes),
        limit=target.ram_bytes,
        parts={
            "activations and scratch": arena.head_bytes,
            "structures of the interpreter": arena.tail_bytes,
            "tables while it plans": arena.needed_bytes - arena.used_bytes,
        },
    )
    flash = Need(
        needed_bytes=file_bytes + CODE_BYTES,
        most_bytes=file_bytes + MOST_CODE_BYTES,
        limit=target.flash_bytes,
        parts={"model": file_bytes, "code": CODE_BYTES},
        sources={"code": CODE_SOURCE},
    )
    slow = (*(slow_in_integers(model) if target.is_integer_only else ()), *slow_in_words(model))
    lacking = lacking_in_micro(model, has_ethos_u=target.kind == "npu")
    return Fit(
        target=target,
        subject=subject,
        basis=ON_MCU,
        ram=ram,
        flash=flash,
        arena=arena,
        lacking=lacking,
        slow=slow,
        advice=(*_remedies(lacking), *_advice(model, arena, ram, flash, target)),
        notes=tuple(_notes(model, target)),
    )


def _converted(path: Path, *, is_integer: bool, layout: Layout = "nchw") -> tuple[TfliteModel, int, str]:
    """(model, bytes of its file, what it is) of an ONNX model in TFLite; floats at its ends where int8 cannot be."""
    if is_integer:
        try:
            return _converted_with(path, "int8", layout)
        except Unsupported:
            pass  # what holds of floats too is raised below
    return _converted_with(path, "float32", layout)


def _converted_with(path: Path, io: IoType, layout: Layout) -> tuple[TfliteModel, int, str]:
    from edgeopt.graph.tflite.read import read_tflite
    from edgeopt.steps.tflite.step import Tflite

    with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
        output = Path(folder) / "model.tflite"
        Tflite(io=io, layout=layout).apply(path, output, no_samples())
        return read_tflite(output), output.stat().st_size, f"its conversion to TFLite with {io} inputs and outputs"


def _notes(model: TfliteModel, target: Target) -> Iterator[str]:
    """What the figures leave out."""
    tensors = model.graphs[0].tensors
    named = zip(model.interface.inputs, model.interface.input_places, strict=True)
    free = [spec.name for spec, place in named if tensors[place].free_axes]
    if free:
        yield f"free axes of {', '.join(free)} count as 1: TFLite Micro keeps the shapes that the file states"
    if target.kind == "npu":
        yield "figures are those before Vela, which plans memory anew for what it moves to the unit"


def _remedies(lacking: Sequence[Misfit]) -> Iterator[str]:
    """What to do about operators that do not run, one line a reason."""
    for reason, remedy in REMEDIES.items():
        names = [one.operator for one in lacking if one.reason == reason]
        if names:
            yield remedy.format(", ".join(names))


def _turns_an_input(graph: Graph) -> bool:
    """Whether an input is transposed before anything else is done with it."""
    return any(one.name == "TRANSPOSE" and set(one.inputs[:1]) & set(graph.inputs) for one in graph.operators)


def _layout_advice(turned: TfliteModel, ram: Need) -> Iterator[str]:
    """What channels last at the inputs would take, where that is less by more than a few structures."""
    from edgeopt.graph.tflite.arena import plan_arena

    needed = plan_arena(turned).needed_bytes
    if needed < _WORTH * ram.needed_bytes:
        verdict = _verdict(((needed, ram.limit),))
        yield f"`edgeopt convert --layout nhwc` takes {format_bytes(needed)} of RAM, {verdict}"


def _advice(model: TfliteModel, arena: Arena, ram: Need, flash: Need, target: Target) -> Iterator[str]:
    """What would make it fit; nothing where memory is not what is lacking."""
    yield from _int8_advice(model, ram, flash, target)
    if ram.fits is False and ram.limit is not None:
        yield from _smaller_input(model, arena, ram.limit.value)
    if flash.fits is False and flash.limit is not None:
        share = max(0.0, (flash.limit.value - CODE_BYTES) / flash.parts["model"])
        yield f"a narrower model: its file must shrink to {share:.0%} of what it is"


def _int8_advice(model: TfliteModel, ram: Need, flash: Need, target: Target) -> Iterator[str]:
    """What int8 in place of floats would take, where there are floats and something does not fit."""
    from edgeopt.graph.tflite.arena import as_int8, plan_arena

    if False not in (ram.fits, flash.fits):
        return
    smaller = as_int8(model)
    flash_bytes = flash.needed_bytes - _constant_bytes(model) + _constant_bytes(smaller)
    ram_bytes = plan_arena(smaller).needed_bytes
    if flash_bytes < flash.needed_bytes or ram_bytes < ram.needed_bytes:
        yield (
            f"int8 in place of float32 would take about {format_bytes(ram_bytes)} of RAM and "
            f"{format_bytes(flash_bytes)} of flash, {_verdict(((ram_bytes, ram.limit), (flash_bytes, flash.limit)))}: "
            f"`edgeopt quantize MODEL --target {target.name}`, then `edgeopt convert --io int8`"
        )


def _verdict(needs: Sequence[tuple[int, Sourced | None]]) -> str:
    is_enough = all(limit is None or size <= limit.value for size, limit in needs)
    return "which fits" if is_enough else "which is still too much"


def _smaller_input(model: TfliteModel, arena: Arena, limit_bytes: float) -> Iterator[str]:
    """The sides of an image at which the activations would fit, as they shrink with its area."""
    main = model.graphs[0]
    sides = next(filter(None, (_sides(main.tensors[place].shape) for place in main.inputs)), None)
    room = limit_bytes - arena.tail_bytes
    if sides is None or room <= 0 or not arena.head_bytes:
        return
    factor = math.sqrt(room / arena.head_bytes)
    height, width = (max(1, math.floor(side * factor)) for side in sides)
    yield f"a smaller input: about {height} x {width} in place of {sides[0]} x {sides[1]}"


def _sides(shape: Sequence[int]) -> tuple[int, int] | None:
    """(height, width) of an image, whose channels come first or last; None for what is none."""
    if len(shape) != 4:
        return None
    sides = (shape[2], shape[3]) if shape[1] < min(shape[2:]) else (shape[1], shape[2])
    return sides if min(sides) > 1 else None


def _constant_bytes(model: TfliteModel) -> int:
    """Bytes of constants, each place in the file once."""
    places = {one.data[0]: one.data[1] for graph in model.graphs for one in graph.tensors if one.is_constant}
    return sum(places.values())
