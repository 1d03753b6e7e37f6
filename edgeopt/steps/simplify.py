"""The step that makes a graph simpler, and proves that its outputs stay what they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from edgeopt.core.dataset import Dataset
from edgeopt.graph.agreement import Feeds, Verdict, agreement
from edgeopt.graph.apart import Apart, set_apart
from edgeopt.graph.batch import batch_size
from edgeopt.graph.fold import folded
from edgeopt.graph.load import load_onnx
from edgeopt.graph.outputs import name_split_outputs
from edgeopt.graph.padding import merge_padding
from edgeopt.graph.quantization import quantization_state
from edgeopt.graph.save import fits_one_message, save_onnx
from edgeopt.graph.simplify import simplified
from edgeopt.graph.slim import strip_metadata
from edgeopt.steps.protocol import Progress, StepReport
from edgeopt.steps.quantize.refuse import require_evaluation_mode

if TYPE_CHECKING:
    import onnx

_MOST_BATCHES = 4  # of real samples
_SPARE_BYTES = 1024  # by which a simpler graph may be larger: names, and constants that were attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Simplify:
    """Constants folded, dead and duplicate nodes removed, batch norms and padding merged.

    A rewrite that is not proven to leave the outputs as they are, that makes the model larger, or that changes how it
    is quantized, is not kept.
    """

    name: ClassVar[str] = "simplify"
    ending: ClassVar[str] = ".onnx"
    takes_data: ClassVar[bool] = False  # samples prove what it makes, and do not change it
    needs_data: ClassVar[bool] = False

    def apply(self, source: Path, output: Path, data: Dataset, *, progress: Progress | None = None) -> StepReport:
        """Make the simpler model `output` from `source`; samples in `data` prove it besides random ones.

        Raises:
            InputError: The model cannot be read, ONNX Runtime does not take it, or it is in training mode.
        """
        where = str(source)
        model = load_onnx(source)
        require_evaluation_mode(model, where=where)
        name_split_outputs(model.graph)
        made = _simpler(model, where, list(_samples(model, data)))
        strip_metadata(made.model)
        if progress:
            progress(1, 1)
        save_onnx(made.model, output)
        return StepReport(details=_details(model, made), warnings=made.warnings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Simpler:
    """What became of a model.

    Attributes:
        model: The simpler one, or the one that was given.
        is_changed: Whether a rewrite was kept.
        warnings: Why others were not.
    """

    model: onnx.ModelProto
    is_changed: bool = False
    warnings: tuple[str, ...] = field(default_factory=tuple)


def _simpler(model: onnx.ModelProto, where: str, samples: list[Feeds]) -> _Simpler:
    """The first of the rewrites, the strongest first, that holds; else the model as it was."""
    if not fits_one_message(model):
        apart = set_apart(model)
        made = _first_that_holds(apart.light, where, samples, apart)
        whole = apart.with_constants(made.model)
        return _Simpler(model=whole, is_changed=made.is_changed, warnings=made.warnings)
    return _first_that_holds(model, where, samples, None)


def _first_that_holds(model: onnx.ModelProto, where: str, samples: list[Feeds], apart: Apart | None) -> _Simpler:
    fixed = apart.arrays() if apart else {}
    reasons: list[str] = []
    for is_folded in (True, False):
        rewritten, told = _rewritten(model, where, samples, fixed, is_folded=is_folded)
        reasons += told
        if not _is_simpler(model, rewritten):
            continue
        loss = _loss(model, rewritten) or _doubt(model, rewritten, samples, fixed)
        if not loss:
            return _Simpler(model=rewritten, is_changed=True, warnings=tuple(reasons))
        reasons.append(f"{'constants are not folded' if is_folded else 'nothing is taken off'}: {loss}")
    return _Simpler(model=model, warnings=tuple(dict.fromkeys(reasons)))


def _rewritten(
    model: onnx.ModelProto, where: str, samples: list[Feeds], fixed: Feeds, *, is_folded: bool
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The model rewritten by ONNX Runtime and onnx-ir's passes, or by the passes alone; and what is to be said."""
    import onnx

    start = onnx.ModelProto()
    if is_folded:
        start = folded(model, where=where, keeps_quantization=quantization_state(model.graph).kind != "none")
        merge_padding(start.graph)
    else:
        start.CopyFrom(model)
    done = simplified(start, where=where, samples=samples, fixed=fixed)
    result = done.model
    del result.metadata_props[:]
    result.metadata_props.extend(model.metadata_props)
    result.doc_string, result.model_version, result.domain = model.doc_string, model.model_version, model.domain
    result.producer_name = "edgeopt"
    return result, done.warnings


def _is_simpler(before: onnx.ModelProto, after: onnx.ModelProto) -> bool:
    """Whether the two differ in what counts: nodes, or bytes where there are as many."""
    return len(after.graph.node) != len(before.graph.node) or _size(after) < _size(before)


def _loss(before: onnx.ModelProto, after: onnx.ModelProto) -> str:
    """What would be lost by `after`; empty where nothing would."""
    old, new = quantization_state(before.graph), quantization_state(after.graph)
    if old != new:
        return f"it would be quantized otherwise ({old.kind} {old.quantized}/{old.total} to {new.kind} {new.quantized})"
    if len(after.graph.node) > len(before.graph.node):
        return f"{len(before.graph.node)} nodes would become {len(after.graph.node)}"
    grown = _size(after) - _size(before)
    return f"it would be {grown:,} bytes larger" if grown > _SPARE_BYTES else ""


def _size(model: onnx.ModelProto) -> int:
    import onnx

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    strip_metadata(bare)
    return int(bare.ByteSize())


def _doubt(before: onnx.ModelProto, after: onnx.ModelProto, samples: list[Feeds], fixed: Feeds) -> str:
    """Why `after` is not proven to compute what `before` does; empty where it is."""
    found = agreement(before, after, samples=samples, fixed=fixed)
    if found.verdict is Verdict.EQUAL:
        return ""
    hint = "; give samples that it runs on with `--data`" if found.verdict is Verdict.UNKNOWN and not samples else ""
    return f"the simpler graph is not proven equal ({found.reason}){hint}"


def _samples(model: onnx.ModelProto, data: Dataset) -> Iterator[Feeds]:
    """A few batches of real inputs."""
    if not len(data):
        return
    size, is_fixed = batch_size(model)
    for number, feeds in enumerate(data.batches(size, is_filled=is_fixed)):
        if number == _MOST_BATCHES:
            return
        yield feeds


def _details(before: onnx.ModelProto, made: _Simpler) -> dict[str, Any]:
    counts = {
        "nodes": [len(model.graph.node) for model in (before, made.model)],
        "constants": [len(model.graph.initializer) for model in (before, made.model)],
    }
    sides = {name: {"before": old, "after": new} for name, (old, new) in counts.items()}
    return {**sides, "is_changed": made.is_changed}
