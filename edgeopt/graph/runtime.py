"""ONNX Runtime's failures, told apart from bugs and said in one line."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

# Sessions are opened with `enable_fallback=0` besides: else ONNX Runtime prints on stdout before it raises.
PROVIDERS = ["CPUExecutionProvider"]
RUNTIME_HINT = "check the export: onnx.checker.check_model, opset and operators (`edgeopt inspect`)"


@cache
def runtime_errors() -> tuple[type[Exception], ...]:
    """Every exception that ONNX Runtime raises; they share no base class but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)


def first_line(error: BaseException) -> str:
    """The first line of what the runtime says, without its prefix `[ONNXRuntimeError] : 1 : FAIL : `."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return re.sub(r"^\[ONNXRuntimeError\] : (\d+ : [A-Z_]+ : )?", "", text).strip()[:300]


def first_cause(error: BaseException) -> str:
    """The first line of the failure at the bottom of a chain of failures."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


def plain_session(source: bytes | str) -> Any:
    """An ONNX Runtime session on one thread that computes a model as it says, without rewriting the graph.

    Args:
        source: The bytes of a model, or the path of its file.

    Raises:
        One of `runtime_errors`: ONNX Runtime does not take it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(source, options, providers=PROVIDERS, enable_fallback=0)
