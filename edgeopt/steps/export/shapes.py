"""`NAME=1x3x32x32:float32`: name, shape and dtype of a model's input, as users write it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edgeopt.errors import InputError

DTYPES = (
    "float32",
    "float16",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "bool",
)  # what both numpy and torch know
_DEFAULT_DTYPE = "float32"
_EXAMPLE = "write it like `--input x=1x3x32x32:float32`; a word in place of a number is an axis of free length"
_AXIS = r"(?:[1-9][0-9]*|[A-Za-wyz_][A-Za-wyz_0-9]*)"  # no x in a word: it parts the axes
_TEXT = re.compile(rf"(?P<name>[^=]+)=(?P<axes>{_AXIS}(?:x{_AXIS})*|scalar)(?::(?P<dtype>\w+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputShape:
    """Shape and dtype of one input.

    Attributes:
        name: Of the input.
        axes: Length of each axis, or the name of one of free length; empty for a single number.
        dtype: One of `DTYPES`; empty where the user does not say.
    """

    name: str
    axes: tuple[int | str, ...]
    dtype: str = ""

    @property
    def type_or_default(self) -> str:
        """The dtype; `float32` where the user does not say."""
        return self.dtype or _DEFAULT_DTYPE

    def __str__(self) -> str:
        axes = "x".join(map(str, self.axes)) or "scalar"
        return f"{self.name}={axes}" + (f":{self.dtype}" if self.dtype else "")


def input_shape_from_text(text: str) -> InputShape:
    """The shape that `NAME=1x3x32x32:float32` states; the dtype may be left out.

    Raises:
        InputError: It does not follow the grammar, or names no known dtype.
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"input `{text}` cannot be understood", hint=_EXAMPLE)
    dtype = match["dtype"] or ""
    if dtype and dtype not in DTYPES:
        raise InputError(f"input `{text}` is of unknown type `{dtype}`", hint="known: " + ", ".join(DTYPES))
    axes = () if match["axes"] == "scalar" else tuple(map(_length, match["axes"].split("x")))
    return InputShape(name=match["name"].strip(), axes=axes, dtype=dtype)


def input_shapes_from_texts(texts: Iterable[str]) -> dict[str, InputShape]:
    """The shapes that several `--input` state, by name.

    Raises:
        InputError: One does not follow the grammar, or two are of the same name.
    """
    shapes: dict[str, InputShape] = {}
    for text in texts:
        shape = input_shape_from_text(text)
        if shape.name in shapes:
            raise InputError(f"input `{shape.name}` is given twice", hint="give each input once")
        shapes[shape.name] = shape
    return shapes


def _length(axis: str) -> int | str:
    return int(axis) if axis.isdigit() else axis
