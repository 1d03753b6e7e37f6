"""ONNX Runtime's failures, told apart from bugs and said in one line."""

from __future__ import annotations

from functools import cache

RUNTIME_HINT = "check the export: onnx.checker.check_model, opset and operators (`edgeopt inspect`)"


@cache
def runtime_errors() -> tuple[type[Exception], ...]:
    """Every exception that ONNX Runtime raises; they share no base class but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)


def first_line(error: BaseException) -> str:
    """The first line of what the runtime says, without its prefix."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text.removeprefix("[ONNXRuntimeError] : ").strip()[:300]
