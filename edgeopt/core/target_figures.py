"""Figures of a target profile as people write them: a number with its unit and its source."""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from edgeopt.core.target import Sourced
from edgeopt.core.validation import StrictModel
from edgeopt.errors import InputError
from edgeopt.units import Dimension, format_quantity, parse_quantity, units_of

_EXACT = 2**53  # the integers below it are floats exactly


class Figure(StrictModel):
    """A figure with its source; `verified = false` marks one that is from memory.

    A subclass says what it measures and within which bounds, in base units, it is possible.
    """

    what: ClassVar[str]
    example: ClassVar[str]
    dimension: ClassVar[Dimension]
    least: ClassVar[float]
    most: ClassVar[float]

    value: float
    source: str = Field(min_length=1)
    verified: bool = True

    @model_validator(mode="before")
    @classmethod
    def _has_a_source(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            raise ValueError(  # noqa: TRY004  pydantic gathers ValueErrors alone
                f'a figure has its source beside it: {{ value = {cls.example}, source = "…" }}'
            )
        return table

    @field_validator("value", mode="before")
    @classmethod
    def _in_base_units(cls, value: Any) -> float:
        number = _number(value) if cls.dimension is Dimension.NUMBER else cls._quantity(value)
        if number is None:
            raise ValueError(f"{cls.what} is a whole number, as in {cls.example}")
        if not cls.least <= number <= cls.most:
            least, most = (format_quantity(bound, cls.dimension) for bound in (cls.least, cls.most))
            raise ValueError(f"impossible for {cls.what}, which lies between {least} and {most}")
        return number

    @classmethod
    def _quantity(cls, value: Any) -> float:
        """The value of text with a unit."""
        wanted = f"write a number and a unit, as in {cls.example}; units: {', '.join(units_of(cls.dimension))}"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        try:
            quantity = parse_quantity(str(value) if is_number else value if isinstance(value, str) else "")
        except InputError:
            raise ValueError(f"no figure: {wanted}") from None
        if quantity.dimension is not cls.dimension:
            missing = quantity.dimension is Dimension.NUMBER
            raise ValueError(f"{cls.what} has {'no unit' if missing else 'another unit'}: {wanted}")
        return quantity.value

    def as_sourced(self) -> Sourced:
        """The figure in its base unit."""
        return Sourced(value=self.value, source=self.source, verified=self.verified)


class Count(Figure):
    """How many cores, or products per cycle."""

    what, example, dimension = "a count", "4", Dimension.NUMBER
    least, most = 1, 65_536


class Clock(Figure):
    """A clock: slower than any that runs a model is a slip, and so is a faster one."""

    what, example, dimension = "a clock", '"1.8 GHz"', Dimension.HERTZ
    least, most = 1e6, 1e10


class Cache(Figure):
    """A cache of any level."""

    what, example, dimension = "a cache", '"32 KiB"', Dimension.BYTES
    least, most = 1e3, 4e9


class Memory(Figure):
    """RAM or flash."""

    what, example, dimension = "a memory", '"640 KB"', Dimension.BYTES
    least, most = 1e3, 1e13


class Bandwidth(Figure):
    """Bytes per second."""

    what, example, dimension = "a bandwidth", '"2.5 GB/s"', Dimension.BYTES_PER_SECOND
    least, most = 1e6, 1e14


class Power(Figure):
    """Watts of a board."""

    what, example, dimension = "a power", '"4.5 W"', Dimension.WATTS
    least, most = 1e-6, 1e4


def _number(value: Any) -> float | None:
    """A whole number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return float(value) if abs(value) < _EXACT else inf
    return value if value.is_integer() else None
