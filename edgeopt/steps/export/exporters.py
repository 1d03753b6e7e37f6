"""torch's exporters, the current one and the older, each as a function from a program to an ONNX model."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt._optional import require
from edgeopt.graph.subgraphs import subgraphs
from edgeopt.steps.export.program import BATCH, INNER, Input, Program
from edgeopt.steps.export.quiet import quiet

if TYPE_CHECKING:
    import onnx

# What torch's exporters raise: errors of their own are RuntimeErrors, and code that is traced fails as Python does.
_RAISED = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)
_OLDEST_OF_TRACE, _NEWEST_OF_TRACE = 13, 20  # opsets that the older exporter writes
_PURPOSE = "export torch modules"
_TRACE_BATCH = 2  # an axis of one sample is taken for fixed


class ExportFailed(Exception):
    """An exporter cannot write the program; the message says why in one line."""


def by_dynamo(program: Program, opset: int) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The model that torch's current exporter writes, and nothing to warn of.

    Raises:
        ExportFailed: It cannot trace the module, an operator has no ONNX form, or it cannot write that opset.
    """
    torch: Any = require("torch", purpose=_PURPOSE)
    require("onnxscript", purpose=_PURPOSE)
    names = {"input_names": [each.name for each in program.inputs], "output_names": list(program.outputs)}
    try:
        with quiet(), torch.inference_mode(mode=False):
            written = torch.onnx.export(
                program.exported if program.exported is not None else program.flat(),
                () if program.exported is not None else _tensors(program),
                dynamo=True,
                opset_version=opset,
                verbose=False,
                **names,
                **({} if program.exported is not None else {"dynamic_shapes": _dynamic_shapes(program)}),
            )
    except _RAISED as error:
        raise ExportFailed(_reason(error)) from error
    assert written is not None  # it is None only where torch writes the file itself
    model: onnx.ModelProto = written.model_proto
    # Where torch 2.13 fails to go back to an older opset it only logs that, and keeps the newer one.
    given = next(entry.version for entry in model.opset_import if not entry.domain)
    if given != opset:
        raise ExportFailed(f"it writes opset {given} only, not {opset}")
    _name_as_module_does(model.graph)
    _name_free_axes(model.graph, program)
    return model, ()


def by_trace(program: Program, opset: int) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The model that torch's older exporter writes of one run of the module, and what it warned of.

    Raises:
        ExportFailed: An operator has no ONNX form, or it cannot write that opset.
    """
    import onnx

    torch: Any = require("torch", purpose=_PURPOSE)
    if not _OLDEST_OF_TRACE <= opset <= _NEWEST_OF_TRACE:
        raise ExportFailed(f"it writes opsets {_OLDEST_OF_TRACE} to {_NEWEST_OF_TRACE}, not {opset}")
    stream = io.BytesIO()
    free = {each.name: dict(each.free) for each in program.inputs if each.free}
    if any(0 in axes for axes in free.values()):
        free |= {name: {0: BATCH} for name in program.outputs}
    try:
        with quiet() as caught, torch.inference_mode(mode=False), torch.no_grad():
            torch.onnx.export(
                program.flat(),
                _tensors(program),
                stream,
                dynamo=False,
                opset_version=opset,
                input_names=[each.name for each in program.inputs],
                output_names=list(program.outputs),
                dynamic_axes=free,
            )
    except _RAISED as error:
        raise ExportFailed(_reason(error)) from error
    model = onnx.load_model_from_string(stream.getvalue())
    _name_as_module_does(model.graph)
    places = {
        f"{Path(warning.filename).name} line {warning.lineno}"
        for warning in caught
        if issubclass(warning.category, torch.jit.TracerWarning)
    }
    if not places:
        return model, ()
    told = f"the module decides by values ({', '.join(sorted(places))}), and the model keeps what the example decided"
    return model, (told,)


EXPORTERS: dict[str, Callable[[Program, int], tuple[onnx.ModelProto, tuple[str, ...]]]] = {
    "dynamo": by_dynamo,
    "trace": by_trace,
}


def _tensors(program: Program) -> tuple[Any, ...]:
    import torch

    return tuple(torch.from_numpy(np.array(_traced(each))) for each in program.inputs)


def _traced(given: Input) -> Any:
    return np.repeat(given.example[:1], _TRACE_BATCH, axis=0) if 0 in given.free else given.example


def _dynamic_shapes(program: Program) -> Any:
    import torch

    axes = {name: torch.export.Dim(name) for each in program.inputs for name in each.free.values()}
    return (tuple({axis: axes[name] for axis, name in each.free.items()} or None for each in program.inputs),)


def _name_as_module_does(graph: onnx.GraphProto) -> None:
    """Take, in place, the wrapper's prefix off the names of weights, where the short name is free."""
    taken = {name for node in graph.node for name in node.output} | {value.name for value in graph.input}
    short = {
        tensor.name: tensor.name.removeprefix(INNER)
        for tensor in graph.initializer
        if tensor.name.startswith(INNER) and tensor.name.removeprefix(INNER) not in taken
    }
    for tensor in graph.initializer:
        tensor.name = short.get(tensor.name, tensor.name)
    for value in graph.value_info:
        value.name = short.get(value.name, value.name)
    _rename_reads(graph, short)


def _rename_reads(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        for inner in subgraphs(node):
            _rename_reads(inner, names)


def _name_free_axes(graph: onnx.GraphProto, program: Program) -> None:
    """Call, in place, the free axes of inputs and outputs as the program does, where the exporter numbers them."""
    values = {value.name: value for value in graph.input}
    names: dict[str, str] = {}
    for each in program.inputs:
        axes = values[each.name].type.tensor_type.shape.dim if each.name in values else ()
        names |= {axes[index].dim_param: name for index, name in each.free.items() if axes and axes[index].dim_param}
    for value in (*graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param in names:
                axis.dim_param = names[axis.dim_param]


def _reason(error: BaseException) -> str:
    """The failure at the bottom of a chain, in one line and without colours."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
