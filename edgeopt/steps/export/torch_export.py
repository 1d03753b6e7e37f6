"""torch to ONNX: modules of the user's Python and exported programs (`.pt2`), proven against torch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt._optional import require
from edgeopt.errors import EdgeoptError, InputError, Unsupported
from edgeopt.graph.save import save_onnx
from edgeopt.runners import runner_named
from edgeopt.steps.export.batch import fixed, fixed_inputs, with_free_batch
from edgeopt.steps.export.checkpoint import load_checkpoint
from edgeopt.steps.export.draw import drawn_like
from edgeopt.steps.export.example import program_of_module
from edgeopt.steps.export.exporters import EXPORTERS, ExportFailed
from edgeopt.steps.export.opsets import checked_opset
from edgeopt.steps.export.program import Program
from edgeopt.steps.export.proof import Compared, Feeds, Proof, ReadSamples, compared, opened, require_close, trials_of
from edgeopt.steps.export.reference import PURPOSE, Source, source_from_text
from edgeopt.steps.export.shapes import InputShape
from edgeopt.steps.export.tidy import tidied
from edgeopt.steps.protocol import StepReport

if TYPE_CHECKING:
    import onnx

RANDOM = "random inputs"
_OTHER_LENGTH = 7  # of free axes that are not the batch, in one of the trials
_BATCHES = (1, 2, 3)
_ODD_DRAWS = 20
_PURPOSE = "export torch modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exported:
    """A model that passed on random inputs."""

    model: onnx.ModelProto
    program: Program
    exporter: str
    random: Compared
    warnings: tuple[str, ...]


def export_torch(
    source: str | Source,
    output: Path,
    *,
    checkpoint: Path | None = None,
    shapes: Mapping[str, InputShape] | None = None,
    opset: int | None = None,
    samples: ReadSamples | None = None,
) -> StepReport:
    """Write a torch module, or an exported program, to the ONNX file `output`.

    Args:
        source: `module:name` or `file.py:name` of a module, its class or a factory; or a `.pt2` file.
        output: The file to write; one that exists is replaced. It is written whole or not at all.
        checkpoint: A state dict to load into the module.
        shapes: Of inputs, by name; without them `example_inputs()` beside the factory says.
        opset: Version of the ONNX operators; None takes `opsets.DEFAULT_OPSET`.
        samples: Gives the user's samples for the model's inputs, to compare on.

    Returns:
        Details: `source`, `exporter`, `opset`, `checkpoint`, `fixed_batch` (inputs whose batch is fixed) and `proof`.

    Raises:
        InputError: The source, the checkpoint or a shape is not usable, or the module fails.
        Unsupported: torch cannot export it, or the file computes something else than torch.
        ExtraMissing: torch is not installed.
    """
    torch = require("torch", purpose=_PURPOSE)
    named = source_from_text(source) if isinstance(source, str) else source
    version = checked_opset(opset)
    program, loaded, warnings = _program(named, checkpoint, shapes or {})
    with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
        scratch = Path(folder, "model.onnx")
        made = _exported(program, version, scratch)
        own = _on_samples(made, scratch, samples)
    save_onnx(made.model, output)
    proof = Proof(
        reference=f"torch {torch.__version__}",
        runtime=f"onnxruntime {runner_named('onnxruntime').version()}",
        compared=(made.random, *own),
    )
    return StepReport(
        details={
            "source": {"kind": named.kind, "name": named.text},
            "exporter": {"name": f"torch ({made.exporter})", "version": str(torch.__version__)},
            "opset": version,
            "checkpoint": loaded,
            "fixed_batch": list(fixed_inputs(made.program)),
            "proof": proof.as_json(),
        },
        warnings=(*warnings, *made.warnings),
    )


def _program(
    named: Source, checkpoint: Path | None, shapes: Mapping[str, InputShape]
) -> tuple[Program, dict[str, Any] | None, tuple[str, ...]]:
    """What is exported, what was loaded into it, and what is said of both."""
    if named.kind == "exported-program":
        from edgeopt.steps.export.exported_program import program_of_file

        if checkpoint is not None:
            raise InputError(
                f"`--checkpoint {checkpoint}` does not go with `{named.text}`: it holds its weights itself",
                hint="leave the checkpoint out, or give the module's factory as source",
            )
        assert named.path is not None
        return program_of_file(named.path, shapes), None, ()
    if named.kind != "torch":
        raise InputError(f"`{named.text}` is no torch module, it is of kind `{named.kind}`", hint="check the source")
    loaded = load_checkpoint(named, checkpoint) if checkpoint is not None else None
    program = with_free_batch(program_of_module(named, _ready(named), shapes).with_outputs())
    return program, loaded.as_json() if loaded else None, loaded.told if loaded else ()


def _ready(named: Source) -> Any:
    """The module in evaluation mode, on the CPU."""
    import torch

    module = _inner(named.value)
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError(f"{PURPOSE} `{named.text}` is TorchScript", hint="give the module that it was made from")
    kinds = {str(tensor.dtype) for tensor in module.parameters() if tensor.is_floating_point()} - {"torch.float32"}
    if kinds:
        raise InputError(
            f"{PURPOSE} `{named.text}` computes in `{min(kinds).removeprefix('torch.')}`",
            hint="return `model.float()`; `edgeopt quantize --scheme fp16` makes an fp16 model of the ONNX file",
        )
    if any(tensor.device.type == "meta" for tensor in module.parameters()):
        raise InputError(f"{PURPOSE} `{named.text}` has no weights (device `meta`)", hint="return it with its weights")
    module.eval()
    return module.to(torch.device("cpu"))


def _inner(module: Any) -> Any:
    """The module inside those that spread it over devices or compile it, whose `forward` names no arguments."""
    for attribute, kinds in (
        ("module", ("DataParallel", "DistributedDataParallel")),
        ("_orig_mod", ("OptimizedModule",)),
    ):
        if type(module).__name__ in kinds:
            return _inner(getattr(module, attribute))
    return module


def _exported(program: Program, opset: int, scratch: Path) -> _Exported:
    """The first model that an exporter writes and that computes what torch does; it lies at `scratch`.

    The current exporter comes first; each is asked with free axes, then with all fixed.

    Raises:
        Unsupported: There is none.
    """
    ways = [program, fixed(program)] if any(each.free for each in program.inputs) else [program]
    exporters = [name for name in EXPORTERS if program.exported is None or name == "dynamo"]
    failures: list[tuple[str, EdgeoptError | ExportFailed]] = []
    for exporter in exporters:
        for way in ways if program.exported is None else ways[:1]:
            try:
                model, traced = EXPORTERS[exporter](way, opset)
                result = tidied(model, where=program.text)
                save_onnx(result.model, scratch)
                trials = [*_random_trials(way), *(_odd_trials(way) if traced else ())]
                found = compared(scratch, way.infer, trials, inputs=RANDOM)
                require_close(found, what=f"the export of `{program.text}`", hint=partial(_hint_of_difference, way))
            except (ExportFailed, EdgeoptError) as error:
                failures.append((exporter, error))
                continue
            said = (*_told(exporter, way, program, failures), *traced, *result.warnings)
            return _Exported(model=result.model, program=way, exporter=exporter, random=found, warnings=said)
    raise _refusal(program, failures)


def _refusal(program: Program, failures: list[tuple[str, EdgeoptError | ExportFailed]]) -> EdgeoptError:
    """The most telling of several failures: a model that differs, else why the current exporter gave up."""
    differing = [error for _, error in failures if isinstance(error, Unsupported)]
    if differing:
        return differing[-1]
    reasons: dict[str, str] = {}
    for exporter, error in failures:
        reasons.setdefault(exporter, str(error))
    told = "; its older exporter: ".join(reasons.values())
    return Unsupported(
        f"torch cannot export {PURPOSE} `{program.text}`: {told}",
        hint="rewrite what is named, or export with `torch.export` yourself and give the .pt2 file",
    )


def _told(
    exporter: str, way: Program, program: Program, failures: list[tuple[str, EdgeoptError | ExportFailed]]
) -> tuple[str, ...]:
    """What is said of the way taken, where it is not the first choice."""
    told = []
    if exporter != "dynamo":
        why = next((str(error) for name, error in failures if name == "dynamo"), "")
        told.append(f"torch's older exporter wrote the model, since the current one cannot ({why})")
    if program.exported is not None:
        stays = fixed_inputs(program)
        if stays:
            names = ", ".join(f"`{name}`" for name in stays)
            told.append(f"the batch of {names} is fixed: `{program.text}` was exported so; give `dynamic_shapes` there")
        return tuple(told)
    stays = tuple(each.name for each in way.inputs if 0 not in each.free and each.example.ndim)
    if stays:
        why = next((str(error) for _, error in failures), "the module does not run with more samples there")
        names = ", ".join(f"`{name}`" for name in stays)
        lengths = ", ".join(str(each.example.shape[0]) for each in way.inputs if each.name in stays)
        told.append(f"the first axis of {names} is fixed at {lengths}: {why}")
    return tuple(told)


def _hint_of_difference(program: Program) -> str:
    """Whether the module itself is at fault: one that draws numbers cannot be compared."""
    feeds = {each.name: each.example for each in program.inputs}
    first, second = program.infer(feeds), program.infer(feeds)
    if all(np.array_equal(first[name], second[name], equal_nan=True) for name in first):
        return "does the module keep state, or choose by values or lengths? write it so that it does not"
    return (
        "the module gives other outputs each time: take chance (`F.dropout` without `training`) and counters out of it"
    )


def _random_trials(program: Program) -> Iterator[Feeds]:
    """The example as it is, then random inputs like it: at batches of 1, 2 and 3 where that is free."""
    yield {each.name: each.example for each in program.inputs}
    has_batch = any(0 in each.free for each in program.inputs)
    has_lengths = any(axis for each in program.inputs for axis in each.free)
    for seed, batch in enumerate(_BATCHES):
        length = _OTHER_LENGTH if has_lengths and seed == 1 else None
        yield {
            each.name: drawn_like(
                np.random.default_rng((seed, index)), each, batch=batch if has_batch else 1, length=length
            )
            for index, each in enumerate(program.inputs)
        }


def _odd_trials(program: Program) -> Iterator[Feeds]:
    """Inputs that a module which decides by values may decide otherwise for: negated, zeros, and more random ones."""
    for factor in (-1, 0):
        yield {
            each.name: each.example * each.example.dtype.type(factor)
            if each.example.dtype.kind == "f"
            else each.example
            for each in program.inputs
        }
    for seed in range(_ODD_DRAWS):
        yield {
            each.name: drawn_like(np.random.default_rng((seed, index, _ODD_DRAWS)), each, batch=1)
            for index, each in enumerate(program.inputs)
        }


def _on_samples(made: _Exported, scratch: Path, samples: ReadSamples | None) -> tuple[Compared, ...]:
    """The comparison on the user's own samples; none where there are none.

    Raises:
        Unsupported: They differ.
    """
    if samples is None:
        return ()
    with opened(scratch) as session:
        specs = session.inputs
    data = samples(specs)
    lengths = [int(spec.shape[0]) for spec in specs if spec.shape and not spec.has_free_batch]
    found = compared(
        scratch, made.program.infer, trials_of(data, lengths[0] if lengths else None), inputs=f"`{data.source}`"
    )
    require_close(found, what=f"the export of `{made.program.text}`", hint=partial(_hint_of_difference, made.program))
    return (found,)
