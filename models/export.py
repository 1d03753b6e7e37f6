"""ONNX files of torch modules, written by torch's current exporter (the one behind `dynamo=True`)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def export_onnx(module: nn.Module, inputs: Sequence[Tensor], path: Path, *, opset: int = 18) -> None:
    """Write `module` to one ONNX file with a free batch axis named `batch`.

    Inputs carry the names of the arguments of `forward`. Batch normalization is folded into the layer before it.

    Args:
        module: In evaluation mode.
        inputs: One sample to trace with: tensors (batch=1, ...).
        path: The file to write; one that exists is replaced.
        opset: Version of the operators, 18 or later.

    Raises:
        ValueError: The module is in training mode, or the exporter cannot write this opset.
    """
    import onnx
    import torch

    if module.training:
        raise ValueError("the module is in training mode: call `eval()` before the export")
    # An axis of one sample is taken for fixed.
    two_samples = tuple(torch.cat([tensor, tensor]) for tensor in inputs)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        # torch 2.13 warns of what its own copies of the program use.
        warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)`", category=FutureWarning)
        program = torch.onnx.export(
            module,
            two_samples,
            dynamo=True,
            opset_version=opset,
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            verbose=False,
        )
    assert program is not None  # it is None only where torch writes the file itself
    model = program.model_proto
    # Where torch 2.13 fails to go back to an older opset it only logs that, and keeps the newer one.
    written = next(entry.version for entry in model.opset_import if not entry.domain)
    if written != opset:
        raise ValueError(f"torch cannot export this module in opset `{opset}`, only in {written}")
    onnx.save(model, path)
