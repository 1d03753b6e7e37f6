"""Models converted to TFLite, run by LiteRT with both sets of kernels, and compared with ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.lower import Lowered, lowered
from edgeopt.steps.tflite.prepare import ready_to_lower, with_fixed_shapes

XNNPACK, REFERENCE = OpResolverType.AUTO, OpResolverType.BUILTIN_REF


def parsed(text: str) -> onnx.ModelProto:
    """A model in the text form of `onnx.parser`, checked."""
    model = onnx.parser.parse_model(text)
    onnx.checker.check_model(model, full_check=True)
    return model


def lowered_model(model: onnx.ModelProto, **shapes: tuple[int, ...]) -> Lowered:
    """The net of a copy of `model`, prepared as `convert` does."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with_fixed_shapes(copy, shapes)
    ready, _ = ready_to_lower(copy, where="test.onnx")
    return lowered(ready, where="test.onnx")


def kinds_of(result: Lowered) -> list[str]:
    """Operators of a net, in the order in which they run."""
    return [operation.kind for operation in result.net.operations]


def run_tflite(content: bytes, feeds: dict[str, Any], kernels: OpResolverType = XNNPACK) -> dict[str, Any]:
    """Outputs by name of a .tflite file."""
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
    outputs: dict[str, Any] = interpreter.get_signature_runner()(**feeds)
    return outputs


def run_onnx(model: onnx.ModelProto, feeds: dict[str, Any]) -> dict[str, Any]:
    """Outputs by name of an ONNX model."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return dict(zip([value.name for value in session.get_outputs()], session.run(None, feeds), strict=True))


def assert_same(model: onnx.ModelProto, feeds: dict[str, Any], *, tolerance: float = 1e-5) -> Lowered:
    """Convert `model`, run it both ways, and hold its outputs to those of ONNX Runtime.

    Args:
        model: A model whose free axes are bound by the shapes of `feeds`.
        feeds: Array per input.
        tolerance: Largest difference, relative to the largest magnitude of an output.
    """
    result = lowered_model(model, **{name: np.shape(value) for name, value in feeds.items()})
    content, expected = model_bytes(result.net), run_onnx(model, feeds)
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(content, feeds, kernels)
        for name, wanted in expected.items():
            assert given[name].dtype == wanted.dtype, name
            assert given[name].shape == wanted.shape, name
            largest = max(float(np.abs(wanted.astype(np.float64)).max(initial=0)), 1e-6)
            np.testing.assert_allclose(
                given[name].astype(np.float64), wanted.astype(np.float64), rtol=0, atol=tolerance * largest
            )
    return result
