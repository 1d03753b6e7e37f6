"""ONNX Runtime's failures are caught by kind and said in one line."""

from __future__ import annotations

import onnxruntime
import pytest

from edgeopt.graph.runtime import first_line, runtime_errors


def test_what_the_runtime_raises_on_garbage_is_one_of_its_errors() -> None:
    with pytest.raises(runtime_errors()):
        onnxruntime.InferenceSession(b"garbage", providers=["CPUExecutionProvider"])


def test_a_mistake_in_our_own_code_is_none_of_its_errors() -> None:
    assert not issubclass(KeyError, runtime_errors())
    assert not issubclass(TypeError, runtime_errors())
    assert Exception not in runtime_errors()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[ONNXRuntimeError] : 10 : INVALID_GRAPH : No such operator\nmore", "No such operator"),
        ("[ONNXRuntimeError] : plain", "plain"),
        ("\n\n  plain\n", "plain"),
        ("", "RuntimeError"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_the_first_line_is_said_without_its_prefix(text: str, line: str) -> None:
    assert first_line(RuntimeError(text)) == line
