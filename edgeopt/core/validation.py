"""What pydantic found wrong in a file that people write, said in their words."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from edgeopt.errors import InputError

_MOST_SHOWN = 80  # characters of a value that does not fit

Table = TypeVar("Table", bound=BaseModel)


class StrictModel(BaseModel):
    """A table that people write: unknown keys are refused, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def validated(
    model: type[Table], table: dict[str, Any], *, where: str, hint: str = "see `docs/configuration.md` for every key"
) -> Table:
    """`table` as a `model`.

    Raises:
        InputError: It does not fit; the message lists every fault with its key.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise InputError(f"`{where}`: " + "; ".join(_fault_texts(error, model)), hint=hint) from error


def faults_in(model: type[BaseModel], table: dict[str, Any]) -> list[str]:
    """Every fault of `table` with its key; none where it is a `model`."""
    try:
        model.model_validate(table)
    except ValidationError as error:
        return _fault_texts(error, model)
    return []


def _fault_texts(error: ValidationError, model: type[BaseModel]) -> list[str]:
    return [_fault_text(fault, model) for fault in error.errors()]


def _fault_text(fault: Any, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] == "extra_forbidden":
        near = get_close_matches(str(fault["loc"][-1]), _known_keys(model, fault["loc"][:-1]), n=1)
        return f"unknown key `{key}`" + (f", did you mean `{near[0]}`?" if near else "")
    if fault["type"] == "missing":
        return f"`{key}` is missing"
    told = "a table is wanted" if fault["type"] == "model_type" else fault["msg"].removeprefix("Value error, ")
    is_table = isinstance(fault["input"], dict | BaseModel)
    return f"`{key}`: {told}" if is_table else f"`{key}` is `{_shortened(fault['input'])}`: {told}"


def _shortened(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"


def _known_keys(model: type[BaseModel], path: Iterable[Any]) -> list[str]:
    """Keys of the table that `path` leads to from `model`."""
    current: type[BaseModel] = model
    for part in path:
        annotation = current.model_fields[part].annotation if part in current.model_fields else None
        inner = next((kind for kind in _classes(annotation) if issubclass(kind, BaseModel)), None)
        current = inner or current
    return [field.alias or name for name, field in current.model_fields.items()]


def _classes(annotation: Any) -> list[type]:
    if isinstance(annotation, type) and not getattr(annotation, "__args__", None):
        return [annotation]
    return [kind for argument in getattr(annotation, "__args__", ()) for kind in _classes(argument)]
