"""Graphs rewritten in one call, their function compared before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgeopt.graph.rewrite.order import with_shapes

ROUNDING = 1e-5  # of the largest output: a few units in the last place of float32 per sum


@dataclass(frozen=True)
class Rewritten:
    """A model before and after."""

    before: Any
    after: Any

    @property
    def operators(self) -> list[str]:
        return [node.op_type for node in self.after.graph.node]

    @property
    def is_changed(self) -> bool:
        return self.operators != [node.op_type for node in self.before.graph.node]


@pytest.fixture
def rewrite(outputs_of: Callable[..., Any]) -> Callable[..., Rewritten]:
    """Applies one rewrite to a copy, checks the result to be valid, and equal on normal inputs of batch 2."""

    def rewritten(model: Any, apply: Callable[..., None], batch: int = 2) -> Rewritten:
        import onnx_ir as ir

        before = onnx.ModelProto()
        before.CopyFrom(model)
        intermediate = ir.serde.deserialize_model(with_shapes(model))
        apply(intermediate.graph)
        after = ir.serde.serialize_model(intermediate)
        onnx.checker.check_model(after, full_check=True)
        feeds = feeds_of(before, batch)
        expected, found = outputs_of(before, feeds), outputs_of(after, feeds)
        assert list(found) == list(expected)
        for name, array in expected.items():
            assert found[name].shape == array.shape
            np.testing.assert_allclose(found[name], array, atol=ROUNDING * max(1.0, np.abs(array).max()))
        return Rewritten(before, after)

    return rewritten


@pytest.fixture
def fused_operators(tmp_path: Path) -> Callable[[Any], list[str]]:
    """Operators of a model after all of ONNX Runtime's own rewrites."""

    def fused(model: Any) -> list[str]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "fused.onnx"), 4
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return [node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node]

    return fused


def feeds_of(model: Any, batch: int) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    feeds = {}
    for value in model.graph.input:
        shape = [axis.dim_value or batch for axis in value.type.tensor_type.shape.dim]
        feeds[value.name] = generator.standard_normal(shape).astype(np.float32)
    return feeds
