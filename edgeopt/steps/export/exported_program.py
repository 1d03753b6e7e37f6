"""torch's exported programs (`.pt2`), read only where that runs no code of theirs."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeopt.core.files import require_regular_file
from edgeopt.errors import InputError
from edgeopt.steps.export.draw import drawn
from edgeopt.steps.export.names import leaf_name
from edgeopt.steps.export.program import BATCH, Input, Program
from edgeopt.steps.export.quiet import quiet
from edgeopt.steps.export.shapes import InputShape

_SAVE_HINT = (
    "save it again with torch 2.8 or newer: torch.export.save(torch.export.export(model, example), 'model.pt2')"
)
_UNTRUSTED = "export the module again from its code, or give `file.py:factory` with `--checkpoint`"
_FORMAT = "archive_format"
# What the loader would unpickle or call: files named so, operators outside these.
_PICKLED = re.compile(r".*/data/(weights|constants)/([^/]*\.pt|custom_obj_\d+|opaque_obj_\d+)")
_OPERATOR = re.compile(r"(torch\.ops\.[\w.]+|_operator\.\w+|math\.\w+|torch\.(_higher_order_ops|sym_)[\w.]*)")
# Text that torch evaluates: sizes as sympy writes them, and guards as `L['x'].size()[0] == 2`.
_CODE = re.compile(r"[\w\s,()+*/<>=!%&|~.'\[\]-]*")
_CALLED = re.compile(r"(\w+)\s*\(")  # of these, builtins of Python are written in small letters
_ATTRIBUTE = re.compile(r"\.\s*([^\W\d]\w*)")
_HARMLESS = frozenset({"size", "stride", "storage_offset", "dim", "and", "or", "not", "in"})
_FREE_LENGTH = 4
_RAISED = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, OSError)


def program_of_file(path: Path, shapes: Mapping[str, InputShape]) -> Program:
    """The program in a `.pt2` file.

    Args:
        path: The file.
        shapes: None: the file says its shapes itself.

    Raises:
        InputError: It is damaged or of an old format, it holds what would run code, or shapes are given.
    """
    import torch
    from torch.utils import _pytree as pytree

    if shapes:
        raise InputError(
            f"`--input {next(iter(shapes.values()))}` does not go with `{path}`: it says its shapes itself",
            hint="leave it out, or export the program again with other `dynamic_shapes`",
        )
    _require_harmless(path)
    try:
        with quiet():
            exported = torch.export.load(str(path))
            module = exported.module()
    except (*_RAISED, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    tree = exported.call_spec.in_spec
    leaves = [*_example_leaves(exported)]
    paths = [keys for keys, _ in pytree.tree_flatten_with_path(pytree.tree_unflatten(range(tree.num_leaves), tree))[0]]
    names = _names(exported, paths)
    inputs = [
        Input(name=name, example=_example(value, given), free=_free_axes(value), is_drawn=given is None)
        for name, (value, given) in zip(names, leaves, strict=True)
        if value is not None
    ]
    constants = {index: given for index, (value, given) in enumerate(leaves) if value is None}
    return Program(
        text=str(path), module=module, inputs=tuple(inputs), tree=tree, constants=constants, exported=exported
    ).with_outputs()


def _require_harmless(path: Path) -> None:
    """Refuse a file that torch would unpickle objects of, or evaluate text of, when it is loaded."""
    require_regular_file(path, what="exported program")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if not any(name.rpartition("/")[2] == _FORMAT for name in names):
                raise InputError(
                    f"`{path}` is no exported program of torch 2.8 or newer, or is cut off", hint=_SAVE_HINT
                )
            pickled = next((name for name in names if _PICKLED.fullmatch(name)), "")
            for name in names:
                if name.endswith(".json"):
                    pickled = pickled or _refused(json.loads(archive.read(name)))
                elif "/sample_inputs/" in name:
                    _require_plain(path, archive.read(name))
    except (zipfile.BadZipFile, ValueError, RecursionError, OSError, EOFError, RuntimeError) as error:
        raise _damaged(path, error) from error
    if pickled:
        raise InputError(f"`{path}` holds `{pickled}`, which runs code when it is loaded", hint=_UNTRUSTED)


def _require_plain(path: Path, content: bytes) -> None:
    """Refuse example inputs that are more than numbers: torch falls back to running what they say."""
    import io
    import pickle

    import torch

    if not content:
        return
    try:
        with quiet():
            torch.load(io.BytesIO(content), weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"`{path}` holds example inputs that are pickled objects, which run code when they are loaded",
            hint=_UNTRUSTED,
        ) from error


def _refused(value: Any) -> str:
    """What in a table of the archive would be unpickled, called or evaluated; empty where nothing would."""
    for key, each in _entries(value):
        if key == "use_pickle" and each:
            return "pickled tensors"
        texts = each if key == "guards_code" and isinstance(each, list) else [each]
        harmful = next((text for text in texts if isinstance(text, str) and _is_harmful(key, text)), "")
        if harmful:
            return harmful
    return ""


def _is_harmful(key: str, text: str) -> bool:
    if key == "path_name":
        return text.startswith(("custom_obj", "opaque_obj"))
    if key == "target":
        return _OPERATOR.fullmatch(text) is None
    if key not in ("expr_str", "guards_code"):
        return False
    calls = (name for name in _CALLED.findall(text) if name not in _HARMLESS and not name[0].isupper())
    attributes = (name for name in _ATTRIBUTE.findall(text) if name not in _HARMLESS)
    return _CODE.fullmatch(text) is None or "__" in text or any(calls) or any(attributes)


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of every table in nested tables and lists, with its value."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield from each.items()
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _example_leaves(exported: Any) -> Iterator[tuple[Any, Any]]:
    """For each leaf of the arguments: what the graph says of a tensor (None for another leaf), and the example's."""
    from torch.utils import _pytree as pytree

    values = {node.name: node.meta.get("val") for node in exported.graph.nodes if node.op == "placeholder"}
    given = pytree.tree_leaves(exported.example_inputs) if exported.example_inputs is not None else []
    for index, name in enumerate(exported.graph_signature.user_inputs):
        example = given[index] if index < len(given) else None
        value = values.get(name) if isinstance(name, str) else None
        yield (value, example) if hasattr(value, "dtype") else (None, name if example is None else example)


def _example(value: Any, given: Any) -> Any:
    """The example, or random numbers of the graph's shape, as NumPy holds them."""
    if hasattr(given, "detach"):
        return given.detach().cpu().numpy()
    shape = tuple(length if isinstance(length, int) else _FREE_LENGTH for length in value.shape)
    return drawn(np.random.default_rng(0), shape, np.dtype(str(value.dtype).removeprefix("torch.")))


def _free_axes(value: Any) -> dict[int, str]:
    names = {axis: str(length) for axis, length in enumerate(value.shape) if not isinstance(length, int)}
    return {axis: BATCH if axis == 0 else name for axis, name in names.items()}


def _names(exported: Any, paths: list[Any]) -> list[str]:
    """Names of the arguments where each is one tensor, else with the way to it."""
    own = [name if isinstance(name, str) else "" for name in exported.graph_signature.user_inputs]
    return [name or leaf_name("input", keys) for name, keys in zip(own, paths, strict=True)]


def _damaged(path: Path, error: BaseException) -> InputError:
    line = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return InputError(f"`{path}` is no exported program, or is cut off: {line}", hint=_SAVE_HINT)
