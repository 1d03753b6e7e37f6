"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from edgeopt.core.artifact import TensorSpec
from edgeopt.core.files import require_regular_file
from edgeopt.errors import InputError
from edgeopt.graph.runtime import PROVIDERS, RUNTIME_HINT, first_line, runtime_errors


class OnnxRuntimeSession:
    """A model opened by ONNX Runtime."""

    def __init__(self, path: Path, *, threads: int) -> None:
        import onnxruntime

        require_regular_file(path, what="model")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=PROVIDERS, enable_fallback=0)
        except runtime_errors() as error:
            raise InputError(f"ONNX Runtime does not take `{path}`: {first_line(error)}", hint=RUNTIME_HINT) from error
        self.inputs: tuple[TensorSpec, ...] = tuple(_spec(value) for value in self._session.get_inputs())
        self.outputs: tuple[TensorSpec, ...] = tuple(_spec(value) for value in self._session.get_outputs())

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name, for one batch of every input by name."""
        try:
            values = self._session.run(None, dict(feeds))
        except runtime_errors() as error:
            raise InputError(f"ONNX Runtime failed on these inputs: {first_line(error)}", hint=RUNTIME_HINT) from error
        return {spec.name: value for spec, value in zip(self.outputs, values, strict=True)}

    def call(self, feeds: Mapping[str, NDArray[Any]]) -> Callable[[], object]:
        """A function of no arguments that infers on `feeds`."""
        run, bound = self._session.run, dict(feeds)
        return lambda: run(None, bound)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._session


class OnnxRuntimeRunner:
    """ONNX Runtime's CPU provider, all graph optimizations on."""

    name = "onnxruntime"
    formats = frozenset({"onnx"})

    def version(self) -> str:
        """Version of ONNX Runtime."""
        from importlib.metadata import version

        return version("onnxruntime")

    def load_runtime(self) -> None:
        """Import ONNX Runtime."""
        import onnxruntime

        onnxruntime.get_available_providers()

    def open(self, path: Path, *, threads: int = 1) -> OnnxRuntimeSession:
        """A session on the ONNX file at `path` with `threads` threads."""
        return OnnxRuntimeSession(path, threads=threads)


_DTYPES = {"float": "float32", "double": "float64", "string": "object"}


def _spec(value: Any) -> TensorSpec:
    """A tensor as the runtime describes it: `tensor(float)`, axes as numbers, names or None; else an object."""
    if not value.type.startswith("tensor("):
        return TensorSpec(name=value.name, shape=(), dtype="object")
    element = value.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple((length if length > 0 else "") if isinstance(length, int) else length or "" for length in value.shape)
    return TensorSpec(name=value.name, shape=shape, dtype=_DTYPES.get(element, element))
