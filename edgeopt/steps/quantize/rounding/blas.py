"""One thread for NumPy's products of matrices.

OpenBLAS, which NumPy's wheels bring along, splits a product among all cores and waits for the slowest by spinning.
Where other processes or the runtime's own threads hold the cores, each product then waits for the scheduler: the
moments of ResNet8 took 10 s instead of 0.1 s on two cores under a load of 13.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

# What OpenBLAS calls its setting in NumPy's wheels from 2.0 and from 1.26, and in builds against the system's library.
_NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Keep products of matrices on the thread that asks for them, in the whole process, until the end of the block.

    Nothing changes where NumPy multiplies with another library.
    """
    functions = _openblas()
    if functions is None:
        yield
        return
    get, set_ = functions
    before = int(get())
    set_(1)
    try:
        yield
    finally:
        set_(before)


@cache
def _openblas() -> tuple[Callable[[], Any], Callable[[int], Any]] | None:
    """OpenBLAS's functions that read and set its number of threads; None where NumPy does not use it."""
    found = find_spec("numpy.linalg._umath_linalg")
    if found is None or found.origin is None:
        return None
    try:
        library = ctypes.CDLL(found.origin)
    except OSError:
        return None
    for name in _NAMES:
        if hasattr(library, name.format("set")) and hasattr(library, name.format("get")):
            return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None
