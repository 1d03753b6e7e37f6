"""LiteRT on the CPU: with XNNPACK, as applications run it, or with the reference kernels."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from edgeopt._optional import require
from edgeopt.core.artifact import TensorSpec
from edgeopt.core.host import usable_cpus
from edgeopt.errors import EdgeoptError, InputError, Unsupported
from edgeopt.graph.tflite.read import has_state, read_content, read_interface

_PURPOSE = "run TFLite models"
_FEEDS_HINT = "`edgeopt inspect` shows what the model takes"
_STDERR = 2
_NOTICE = b"INFO: "
# What LiteRT says of an operator that it has no kernel for: a custom one, one of TensorFlow, one of a newer schema.
_UNRESOLVED = ("unresolved custom op", "Select TensorFlow op", "Didn't find op for builtin opcode")


class LiteRtSession:
    """A model opened by LiteRT; it takes and gives the model's own types, integers where the model is quantized so.

    Args:
        path: The model file.
        threads: Threads per inference; 0 for as many as there are cores.
        resolver: Name of the `OpResolverType` that chooses the kernels.
    """

    def __init__(self, path: Path, *, threads: int, resolver: str) -> None:
        litert = require("ai_edge_litert.interpreter", purpose=_PURPOSE)
        self._path, self._content = path, read_content(path)
        interface = read_interface(path, self._content)
        self.inputs: tuple[TensorSpec, ...] = interface.inputs
        self.outputs: tuple[TensorSpec, ...] = interface.outputs
        self._input_places, self._output_places = interface.input_places, interface.output_places
        try:
            with _without_notices():
                self._interpreter = litert.Interpreter(
                    model_content=self._content,
                    num_threads=threads or len(usable_cpus()),
                    experimental_op_resolver_type=litert.OpResolverType[resolver],
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _refusal(path, error) from error
        self._shapes = tuple(spec.concrete_shape() for spec in self.inputs)
        self._has_state: bool | None = None

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name, for one batch of every input by name."""
        call = self.call(feeds)
        try:
            values = call()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"LiteRT failed on these inputs: {_first_line(error)}", hint=_FEEDS_HINT) from error
        return {spec.name: value for spec, value in zip(self.outputs, values, strict=True)}

    def call(self, feeds: Mapping[str, NDArray[Any]]) -> Callable[[], list[NDArray[Any]]]:
        """A function of no arguments that infers on `feeds`: LiteRT copies them in, runs, and copies the outputs out.

        A model with state begins each inference anew, as one of ONNX does.
        """
        arrays = self._checked(feeds)
        self._resize(tuple(array.shape for array in arrays))
        interpreter, outputs = self._interpreter, self._output_places
        pairs = tuple(zip(self._input_places, arrays, strict=True))
        if self._has_state is None:
            self._has_state = has_state(self._path, self._content)
        reset = interpreter.reset_all_variables if self._has_state else None
        put, run, get = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

        def infer() -> list[NDArray[Any]]:
            if reset is not None:
                reset()
            for place, array in pairs:
                put(place, array)
            run()
            return [get(place) for place in outputs]

        return infer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._interpreter

    def _checked(self, feeds: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        """The arrays in the order of the inputs, each of the dtype and a shape that the model takes."""
        strange = sorted(feeds.keys() ^ {spec.name for spec in self.inputs})
        if strange:
            told = "is none of the model's" if strange[0] in feeds else "is missing"
            raise InputError(f"input `{strange[0]}` {told}", hint=_FEEDS_HINT)
        for spec in self.inputs:
            given = feeds[spec.name]
            fits = len(given.shape) == len(spec.shape) and all(
                wanted in (length, "") for wanted, length in zip(spec.shape, given.shape, strict=True)
            )
            if given.dtype != spec.dtype or not fits:
                shape = " x ".join(map(str, given.shape))
                raise InputError(f"the model takes {spec}, not ({shape}) {given.dtype}", hint=_FEEDS_HINT)
        return tuple(feeds[spec.name] for spec in self.inputs)

    def _resize(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        """Give free axes the lengths of these inputs, where they have others."""
        if shapes == self._shapes:
            return
        self._shapes = ()  # a resize that fails leaves the interpreter without tensors
        try:
            for place, shape in zip(self._input_places, shapes, strict=True):
                self._interpreter.resize_tensor_input(place, shape)
            with _without_notices():
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            told = ", ".join(" x ".join(map(str, shape)) for shape in shapes)
            raise InputError(
                f"LiteRT does not take inputs of shape {told} in `{self._path}`: {_first_line(error)}",
                hint="does a Reshape to a constant shape fix the batch inside the model? then use a batch of 1",
            ) from error
        self._shapes = shapes


class LiteRtRunner:
    """LiteRT with its default kernels: XNNPACK where it has one."""

    name: ClassVar[str] = "litert"
    formats: ClassVar[frozenset[str]] = frozenset({"tflite"})
    resolver: ClassVar[str] = "AUTO"

    def version(self) -> str:
        """Version of LiteRT."""
        from importlib.metadata import version

        require("ai_edge_litert", purpose=_PURPOSE)
        return version("ai-edge-litert")

    def load_runtime(self) -> None:
        """Import LiteRT."""
        require("ai_edge_litert.interpreter", purpose=_PURPOSE)

    def open(self, path: Path, *, threads: int = 1) -> LiteRtSession:
        """A session on the TFLite file at `path` with `threads` threads.

        Raises:
            InputError: Not a TFLite file, damaged, or LiteRT does not take it.
            Unsupported: LiteRT has no kernel for one of its operators.
            ExtraMissing: LiteRT is not installed.
        """
        return LiteRtSession(path, threads=threads, resolver=self.resolver)


class LiteRtReferenceRunner(LiteRtRunner):
    """LiteRT with the reference kernels: slow, and the measure of what an operator should give."""

    name: ClassVar[str] = "litert-reference"
    resolver: ClassVar[str] = "BUILTIN_REF"


def _refusal(path: Path, error: Exception) -> EdgeoptError:
    """LiteRT's refusal of a file, in edgeopt's words."""
    told = _first_line(error)
    if any(mark in told for mark in _UNRESOLVED):
        return Unsupported(
            f"LiteRT has no kernel for an operator of `{path}`: {told}",
            hint="`edgeopt inspect` names custom operators; convert the model to builtin ones",
        )
    return InputError(f"LiteRT does not take `{path}`: {told}", hint="does another LiteRT run it? convert it again")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "it gives no reason; is there too little memory?"


@contextmanager
def _without_notices() -> Iterator[None]:
    """Keep what LiteRT tells of itself from stderr ("Created TensorFlow Lite XNNPACK delegate"); all else gets there.

    LiteRT 2.3 writes it to file descriptor 2 and offers Python no level of logging.
    """
    try:
        kept = os.dup(_STDERR)
    except OSError:  # closed, as for a daemon
        yield
        return
    with tempfile.TemporaryFile(buffering=0) as caught:
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
            caught.seek(0)
            told = [line for line in caught.read().splitlines(keepends=True) if not line.startswith(_NOTICE)]
            if told:
                os.write(_STDERR, b"".join(told))
