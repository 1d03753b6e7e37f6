"""Which inputs of a torch module may carry any number of samples: it is run with 2 and 3 of them to see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from edgeopt.errors import InputError
from edgeopt.steps.export.program import BATCH, Input, Program

_BATCHES = (2, 3)


def with_free_batch(program: Program) -> Program:
    """The program with a free first axis at every input that carries samples; at none where the module takes no others.

    An input is left out where the module fails on more samples of it, or where the user gave it another batch than 1.

    Args:
        program: With the names of its outputs.
    """
    candidates = _candidates(program)
    for chosen in _choices(candidates):
        freed = _freed(program, chosen)
        if all(_runs(freed, batch) for batch in _BATCHES):
            return freed
    return _freed(program, ())


def fixed(program: Program) -> Program:
    """The program with every axis of the length that the example has."""
    return replace(program, inputs=tuple(replace(each, free={}) for each in program.inputs))


def fixed_inputs(program: Program) -> tuple[str, ...]:
    """Names of inputs whose first axis is fixed; single numbers have none."""
    return tuple(each.name for each in program.inputs if 0 not in each.free and each.example.ndim)


def _candidates(program: Program) -> tuple[int, ...]:
    """Positions of inputs whose first axis is as long as that of the first input that has one."""
    lengths = [
        each.example.shape[0] if each.example.ndim and (0 in each.free or not _is_fixed_by_user(each)) else 0
        for each in program.inputs
    ]
    first = next((length for length in lengths if length), 0)
    return tuple(index for index, length in enumerate(lengths) if length and length == first)


def _is_fixed_by_user(given: Input) -> bool:
    """Whether the user wrote a shape with another batch than one sample."""
    return given.is_drawn and given.example.shape[0] != 1


def _choices(candidates: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """All of them, then all but one, then each alone."""
    sizes = dict.fromkeys((len(candidates), len(candidates) - 1, 1))
    for size in sizes:
        if size > 0:
            yield from combinations(candidates, size)


def _freed(program: Program, chosen: Iterable[int]) -> Program:
    free = set(chosen)
    return replace(
        program,
        inputs=tuple(
            replace(
                each,
                free={
                    **{axis: name for axis, name in each.free.items() if axis},
                    **({0: BATCH} if index in free else {}),
                },
            )
            for index, each in enumerate(program.inputs)
        ),
    )


def _runs(program: Program, batch: int) -> bool:
    feeds = {
        each.name: np.repeat(each.example[:1], batch, axis=0) if 0 in each.free else each.example
        for each in program.inputs
    }
    try:
        program.infer(feeds)
    except InputError:
        return False
    return True
