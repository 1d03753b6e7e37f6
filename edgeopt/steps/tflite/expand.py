"""Operators that the ONNX standard itself defines by others, written out where no writer is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def expanded(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with operators that `OPERATORS` lacks replaced by the body that their schema gives."""
    return model
