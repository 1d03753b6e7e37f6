"""Names of inputs and outputs that torch modules take and give as tuples, dicts and other trees of tensors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

OUTPUT = "output"
_ARGUMENT = "input"


def argument_names(forward: Any, count: int) -> list[str]:
    """Names of the first `count` positional arguments of `forward`; `input_0` and so on where it does not say.

    Args:
        forward: A bound method.
        count: How many are passed by position.
    """
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(forward).parameters.values()
    named = [each.name for each in parameters if each.kind in by_position]
    return [named[index] if index < len(named) else f"{_ARGUMENT}_{index}" for index in range(count)]


def leaf_name(root: str, path: Sequence[Any]) -> str:
    """The name of one tensor of a tree: its root, then keys, fields and positions on the way to it."""
    words = [str(getattr(step, "key", getattr(step, "idx", getattr(step, "name", step)))) for step in path]
    return _plain("_".join([root, *words] if root else words))


def output_names(paths: Sequence[Sequence[Any]], taken: Iterable[str]) -> list[str]:
    """Names of a module's outputs: keys of a dict and fields of a tuple; `output` and `output_1` where there are none.

    Args:
        paths: Of each tensor in what the module returns.
        taken: Names of inputs, which no output may have.
    """
    names: list[str] = []
    used = set(taken)
    for path in paths:
        name = leaf_name("", path)
        name = name if name and not name[0].isdigit() else f"{OUTPUT}_{name}".rstrip("_")
        while name in used:
            name += "_out"
        used.add(name)
        names.append(name)
    return names


def _plain(name: str) -> str:
    """`name` with letters, digits, `_`, `.` and `-` alone."""
    return re.sub(r"[^\w.-]", "_", name)
