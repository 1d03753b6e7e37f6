"""Whether two models compute the same: both are run on random inputs and every output is compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.graph.runtime import first_line, plain_session, runtime_errors
from edgeopt.graph.save import as_source

if TYPE_CHECKING:
    import onnx

# Rewrites change the order of sums, so the last bits differ: by about the square root of the number of terms, in units
# of 2**-24 of the largest value, and more behind many layers. 2**-13 leaves room for 2,000 such units, and is a
# thirtieth of the step of an 8-bit integer.
TOLERANCE = 2.0**-13
_BATCHES = (1, 2, 3)  # the first axis, where it is free; each with a seed of its own
_FREE_LENGTHS = (8, 64, 1)  # other free axes: a convolution may need many, a broadcast one

Feeds = dict[str, NDArray[Any]]


class Verdict(StrEnum):
    """What the comparison says."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"  # the one that it should equal cannot be run


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Whether two models compute the same.

    Attributes:
        verdict: What the comparison says.
        reason: Why they are different, or why that is unknown; empty where they are equal.
    """

    verdict: Verdict
    reason: str = ""


def agreement(
    before: onnx.ModelProto,
    after: onnx.ModelProto,
    *,
    samples: Iterable[Feeds] = (),
    fixed: Mapping[str, NDArray[Any]] | None = None,
) -> Agreement:
    """Whether `after` computes what `before` computes.

    Both run without the runtime's own rewrites on standard normal floats, zeros and ones of integers, at batches of 1,
    2 and 3 where the first axis is free. Outputs agree within `TOLERANCE` of their largest magnitude.

    Args:
        before: A model with its data in memory.
        after: What was made of it.
        samples: Real inputs to run both on, besides the random ones.
        fixed: Inputs that stand for constants: they have one value each in every run.
    """
    try:
        old = _session(before)
    except runtime_errors() as error:
        return Agreement(
            verdict=Verdict.UNKNOWN, reason=f"ONNX Runtime does not take the original: {first_line(error)}"
        )
    try:
        new = _session(after)
    except runtime_errors() as error:
        return _different(f"ONNX Runtime does not take the new one: {first_line(error)}")
    names = [value.name for value in old.get_outputs()]
    if names != [value.name for value in new.get_outputs()]:
        return _different("their outputs have other names")
    own = dict(fixed or {})
    taken, given = ({value.name for value in session.get_inputs()} for session in (old, new))
    if given - taken or taken - given - own.keys():
        return _different("their inputs have other names")
    real = [{**feeds, **own} for feeds in samples]
    return _compared(old, new, chain(real, _trials(old, before, own)), len(real) + len(_BATCHES))


def _compared(old: Any, new: Any, trials: Iterable[Feeds], wanted_runs: int) -> Agreement:
    """The verdict of `wanted_runs` trials that the original runs on, or of all that it does."""
    compared, failure = 0, ""
    names = [value.name for value in old.get_outputs()]
    taken = [value.name for value in new.get_inputs()]
    for feeds in trials:
        try:
            expected = old.run(names, feeds)
        except runtime_errors() as error:
            failure = first_line(error)
            continue
        try:
            given = new.run(names, {name: feeds[name] for name in taken})
        except runtime_errors() as error:
            return _different(f"the new one fails where the original runs: {first_line(error)}")
        for name, wanted, got in zip(names, expected, given, strict=True):
            fault = _difference(wanted, got)
            if fault:
                return _different(f"output `{name}` {fault}")
        compared += 1
        if compared == wanted_runs:
            break
    if compared:
        return Agreement(verdict=Verdict.EQUAL)
    return Agreement(verdict=Verdict.UNKNOWN, reason=f"the original does not run on random inputs: {failure}")


def _different(reason: str) -> Agreement:
    return Agreement(verdict=Verdict.DIFFERENT, reason=reason)


def _session(model: onnx.ModelProto) -> Any:
    with as_source(model) as source:
        return plain_session(source)


def _trials(session: Any, model: onnx.ModelProto, fixed: Feeds) -> Iterator[Feeds]:
    """Inputs to try: all batches with one length of the other free axes, then with the next."""
    shapes = {value.name: value.shape for value in session.get_inputs() if value.name not in fixed}
    kinds = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    is_free = any(not isinstance(length, int) for shape in shapes.values() for length in shape[1:])
    is_batched = any(shape and not isinstance(shape[0], int) for shape in shapes.values())
    for length in _FREE_LENGTHS if is_free else _FREE_LENGTHS[:1]:
        for seed, batch in enumerate(_BATCHES):
            generator = np.random.default_rng(seed)
            drawn = {
                name: _random(generator, _bound(shape, batch if is_batched else 1, length), kinds[name])
                for name, shape in shapes.items()
            }
            yield {**drawn, **fixed}


def _bound(shape: list[int | str | None], batch: int, length: int) -> list[int]:
    return [
        axis if isinstance(axis, int) else batch if position == 0 else length for position, axis in enumerate(shape)
    ]


def _random(generator: np.random.Generator, shape: list[int], kind: int) -> NDArray[Any]:
    import onnx

    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
    if dtype.kind in "iub":
        return generator.integers(0, 2, shape).astype(dtype)
    return generator.standard_normal(shape).astype(dtype)


def _difference(wanted: Any, got: Any) -> str:
    """What differs between two outputs; empty where they agree."""
    if not isinstance(wanted, np.ndarray) or not isinstance(got, np.ndarray):
        return "" if type(wanted) is type(got) else "is of another type"
    if wanted.shape != got.shape or wanted.dtype != got.dtype:
        return f"is {got.dtype} {got.shape}, not {wanted.dtype} {wanted.shape}"
    if wanted.dtype.kind != "f":
        return "" if np.array_equal(wanted, got) else "differs"
    is_finite = np.isfinite(wanted)
    if not np.array_equal(is_finite, np.isfinite(got)):
        return "is NaN or infinite elsewhere"
    wanted, got = wanted[is_finite].astype(np.float64), got[is_finite].astype(np.float64)
    largest = float(np.abs(wanted).max(initial=0.0))
    gap = float(np.abs(wanted - got).max(initial=0.0))
    return "" if gap <= TOLERANCE * largest else f"differs by {gap:.3g} where its largest value is {largest:.3g}"
