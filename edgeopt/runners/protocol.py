"""What a runtime offers; `tests/contract/` holds every implementation to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from numpy.typing import NDArray

from edgeopt.core.artifact import TensorSpec


@runtime_checkable
class Session(Protocol):
    """An artifact opened on a runtime; a context manager."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name, for one batch of every input by name."""
        ...

    def call(self, feeds: Mapping[str, NDArray[Any]]) -> Callable[[], object]:
        """A function of no arguments that infers on `feeds`: what is timed, free of edgeopt's own work."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class Runner(Protocol):
    """A runtime."""

    name: str
    formats: frozenset[str]

    def version(self) -> str:
        """Version of the runtime."""
        ...

    def load_runtime(self) -> None:
        """Import the runtime, so that what `open` takes is the model's alone."""
        ...

    def open(self, path: Path, *, threads: int = 1) -> Session:
        """A session on the artifact at `path`.

        Args:
            path: The model file.
            threads: Threads that one inference may use, at least 1.

        Raises:
            InputError: The runtime does not take the file.
        """
        ...
