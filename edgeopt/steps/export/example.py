"""What a torch module is traced with: shapes that the user gives, else the example of its Python file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeopt.data.users_code import UsersCode
from edgeopt.errors import InputError, near_names
from edgeopt.steps.export.draw import drawn
from edgeopt.steps.export.names import argument_names, leaf_name
from edgeopt.steps.export.program import BATCH, Input, Program
from edgeopt.steps.export.reference import PURPOSE, Source
from edgeopt.steps.export.shapes import InputShape

EXAMPLE = "example_inputs"
_FREE_LENGTH = 12  # of a free axis that is not the batch, to trace with
_HINT = (
    "give each input as `--input NAME=1x3x32x32:float32`, or put a function `example_inputs()` beside the factory "
    "that returns a tuple of tensors"
)


def program_of_module(source: Source, module: Any, shapes: Mapping[str, InputShape]) -> Program:
    """The program of a torch module in evaluation mode.

    Args:
        source: What the user named.
        module: The torch module.
        shapes: Of inputs, by name of the argument; those that are missing are taken from `example_inputs()`.

    Raises:
        InputError: An input is not known, or the module has no such argument.
    """
    arguments = _given_arguments(source, module) | _arguments_of_shapes(source, module, shapes)
    missing = [name for name in _required(module) if name not in arguments]
    if missing or not arguments:
        names = ", ".join(f"`{name}`" for name in missing) or "any input"
        raise InputError(f"{PURPOSE} `{source.text}`: the shape of {names} is not known", hint=_HINT)
    return _program(source, module, arguments, shapes)


def _arguments_of_shapes(source: Source, module: Any, shapes: Mapping[str, InputShape]) -> dict[str, Any]:
    import torch

    parameters = inspect.signature(module.forward).parameters
    takes_any = any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in parameters.values())
    for name in shapes:
        if name not in parameters and not takes_any:
            raise InputError(f"{PURPOSE} `{source.text}` has no input `{name}`", hint=near_names(name, parameters))
    return {name: torch.from_numpy(_array(shape)) for name, shape in shapes.items()}


def _array(shape: InputShape) -> Any:
    lengths = [
        axis if isinstance(axis, int) else 1 if index == 0 else _FREE_LENGTH for index, axis in enumerate(shape.axes)
    ]
    return drawn(np.random.default_rng(0), tuple(lengths), np.dtype(shape.type_or_default))


def _given_arguments(source: Source, module: Any) -> dict[str, Any]:
    """What `example_inputs` of the Python file gives, by name of the argument; empty where there is none."""
    import torch
    from torch.utils import _pytree as pytree

    example = getattr(source.module, EXAMPLE, None)
    if example is None:
        return {}
    purpose = f"`{EXAMPLE}` of {PURPOSE}"
    with UsersCode(source.text, purpose=purpose):
        value = example() if callable(example) else example
    value = pytree.tree_map(lambda leaf: torch.from_numpy(leaf) if isinstance(leaf, np.ndarray) else leaf, value)
    if isinstance(value, Mapping):
        return dict(value)
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return dict(zip(argument_names(module.forward, len(values)), values, strict=True))


def _required(module: Any) -> list[str]:
    parameters = inspect.signature(module.forward).parameters.values()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in variable]


def _program(source: Source, module: Any, arguments: Mapping[str, Any], shapes: Mapping[str, InputShape]) -> Program:
    from torch.utils import _pytree as pytree

    leaves, tree = pytree.tree_flatten(_placed(module, arguments))
    paths = [(name, path, value) for name, tensor in _in_order(module, arguments) for path, value in _leaves(tensor)]
    assert len(paths) == len(leaves)
    inputs, constants = [], {}
    for index, (root, path, value) in enumerate(paths):
        if not hasattr(value, "detach"):
            constants[index] = value
            continue
        inputs.append(_input(source, leaf_name(root, path), value, shapes.get(root)))
    if not inputs:
        raise InputError(f"{PURPOSE} `{source.text}`: its example holds no tensor", hint=_HINT)
    return Program(text=source.text, module=module, inputs=tuple(inputs), tree=tree, constants=constants)


def _input(source: Source, name: str, tensor: Any, shape: InputShape | None) -> Input:
    try:
        example = tensor.detach().cpu().numpy()
    except TypeError as error:
        raise InputError(f"input `{name}` of {PURPOSE} `{source.text}`: {error}", hint="give float32") from error
    free = {index: axis for index, axis in enumerate(shape.axes) if isinstance(axis, str)} if shape else {}
    if 0 in free:
        free[0] = BATCH
    return Input(name=name, example=example, free=free, is_drawn=shape is not None)


def _leaves(value: Any) -> list[tuple[Any, Any]]:
    from torch.utils import _pytree as pytree

    found: list[tuple[Any, Any]] = pytree.tree_flatten_with_path(value)[0]
    return found


def _in_order(module: Any, arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Arguments as (args, kwargs) hold them: those by position in the order of the signature, then the others."""
    positional, keyword = _parted(module, arguments)
    return [*positional, *keyword]


def _placed(module: Any, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    positional, keyword = _parted(module, arguments)
    return tuple(value for _, value in positional), dict(keyword)


def _parted(module: Any, arguments: Mapping[str, Any]) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """Arguments by position and by name; an optional one that is left out sends those behind it to the second."""
    parameters = list(inspect.signature(module.forward).parameters.values())
    positional: list[tuple[str, Any]] = []
    waiting = dict(arguments)
    for each in parameters:
        if each.kind is each.VAR_POSITIONAL:
            keyword_names = {other.name for other in parameters if other.kind is other.KEYWORD_ONLY}
            positional += [(name, waiting.pop(name)) for name in list(waiting) if name not in keyword_names]
            break
        if each.kind is each.KEYWORD_ONLY or each.kind is each.VAR_KEYWORD or each.name not in waiting:
            break
        positional.append((each.name, waiting.pop(each.name)))
    return positional, list(waiting.items())
