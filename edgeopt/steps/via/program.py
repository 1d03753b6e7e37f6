"""A torch module written as an exported program, for tools that take these."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgeopt.errors import Unsupported
from edgeopt.graph.runtime import first_line
from edgeopt.steps.export.checkpoint import load_checkpoint
from edgeopt.steps.export.example import program_of_module
from edgeopt.steps.export.reference import Source
from edgeopt.steps.export.shapes import InputShape

_RAISED = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)


def write_program(source: Source, output: Path, checkpoint: Path | None, shapes: Mapping[str, InputShape]) -> None:
    """Write the exported program of a torch module, with the shapes of its example, to `output`.

    Args:
        source: A torch module, or a `.pt2` file, which is copied.
        output: A `.pt2` file.
        checkpoint: A state dict to load into the module.
        shapes: Of inputs, by name.

    Raises:
        InputError: The checkpoint or a shape is not usable.
        Unsupported: torch cannot trace the module.
    """
    if source.path is not None:
        shutil.copyfile(source.path, output)
        return
    import torch

    if checkpoint is not None:
        load_checkpoint(source, checkpoint)
    program = program_of_module(source, source.value.eval(), shapes)
    tensors = tuple(torch.from_numpy(np.array(each.example)) for each in program.inputs)
    try:
        torch.export.save(torch.export.export(program.flat(), tensors), output)
    except _RAISED as error:
        raise Unsupported(
            f"`{source.text}` cannot be traced by torch.export: {first_line(error)}",
            hint="rewrite what is named, or give a .pt2 file",
        ) from error
