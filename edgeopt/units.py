"""Quantities as people write them (`12 ms`, `0.5 pt`, `200 KB`, `5 %`, `1.8 GHz`), and figures as people read them.

Inside edgeopt a time is in seconds, a size in bytes and a share in [0, 1]; this module is the edge.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from edgeopt.errors import InputError


class Dimension(StrEnum):
    """What a quantity measures, which decides what it may be compared with."""

    SECONDS = "s"
    BYTES = "B"
    POINTS = "pt"
    PERCENT = "%"
    JOULES = "J"
    DECIBELS = "dB"
    HERTZ = "Hz"
    WATTS = "W"
    BYTES_PER_SECOND = "B/s"
    NUMBER = "1"


# Prefixes of bytes follow IEC 80000-13: KB is 1,000 bytes and KiB is 1,024.
_UNITS: dict[str, tuple[Dimension, float]] = {
    "ns": (Dimension.SECONDS, 1e-9),
    "us": (Dimension.SECONDS, 1e-6),
    "µs": (Dimension.SECONDS, 1e-6),
    "ms": (Dimension.SECONDS, 1e-3),
    "s": (Dimension.SECONDS, 1.0),
    "min": (Dimension.SECONDS, 60.0),
    "h": (Dimension.SECONDS, 3600.0),
    "b": (Dimension.BYTES, 1),
    "kb": (Dimension.BYTES, 1e3),
    "mb": (Dimension.BYTES, 1e6),
    "gb": (Dimension.BYTES, 1e9),
    "kib": (Dimension.BYTES, 2**10),
    "mib": (Dimension.BYTES, 2**20),
    "gib": (Dimension.BYTES, 2**30),
    "pt": (Dimension.POINTS, 0.01),
    "%": (Dimension.PERCENT, 0.01),
    "uj": (Dimension.JOULES, 1e-6),
    "mj": (Dimension.JOULES, 1e-3),
    "j": (Dimension.JOULES, 1.0),
    "db": (Dimension.DECIBELS, 1.0),
    "hz": (Dimension.HERTZ, 1.0),
    "khz": (Dimension.HERTZ, 1e3),
    "mhz": (Dimension.HERTZ, 1e6),
    "ghz": (Dimension.HERTZ, 1e9),
    "uw": (Dimension.WATTS, 1e-6),
    "µw": (Dimension.WATTS, 1e-6),
    "mw": (Dimension.WATTS, 1e-3),
    "w": (Dimension.WATTS, 1.0),
    "b/s": (Dimension.BYTES_PER_SECOND, 1.0),
    "kb/s": (Dimension.BYTES_PER_SECOND, 1e3),
    "mb/s": (Dimension.BYTES_PER_SECOND, 1e6),
    "gb/s": (Dimension.BYTES_PER_SECOND, 1e9),
    "": (Dimension.NUMBER, 1.0),
}
_AGES = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
# The case of a unit is free, but `M` before `s`, `J` or `W` would be mega, not milli.
_NOT_MILLI = re.compile(r"M[sSjJwW]")
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµ%/]*)\s*")
_WRITTEN_UNITS: dict[Dimension, tuple[str, ...]] = {
    Dimension.SECONDS: ("ns", "us", "ms", "s", "min", "h"),
    Dimension.BYTES: ("B", "KB", "MB", "GB", "KiB", "MiB", "GiB"),
    Dimension.POINTS: ("pt",),
    Dimension.PERCENT: ("%",),
    Dimension.JOULES: ("uJ", "mJ", "J"),
    Dimension.DECIBELS: ("dB",),
    Dimension.HERTZ: ("Hz", "kHz", "MHz", "GHz"),
    Dimension.WATTS: ("uW", "mW", "W"),
    Dimension.BYTES_PER_SECOND: ("B/s", "KB/s", "MB/s", "GB/s"),
    Dimension.NUMBER: (),
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its dimension; `value` is in the base unit (s, B, J, dB, or a share for pt and %)."""

    value: float
    dimension: Dimension

    def __str__(self) -> str:
        return format_quantity(self.value, self.dimension)


def parse_quantity(text: str) -> Quantity:
    """The quantity that `text` names: `12 ms` is 0.012 s, `0.5 pt` and `0.5 %` are 0.005.

    Raises:
        InputError: Not a finite number with a known unit.
    """
    match = _QUANTITY.fullmatch(text.replace("\u03bc", "µ"))  # the Greek letter, which many keyboards give
    unit = _UNITS.get(match[2].lower()) if match and not _NOT_MILLI.fullmatch(match[2]) else None
    value = float(match[1]) * unit[1] if match and unit else math.nan
    if unit is None or not math.isfinite(value):
        raise InputError(
            f"`{text.strip()}` is not a quantity",
            hint="write a number and a unit, as in `12 ms` or `200 KB`; units: "
            + ", ".join(unit for units in _WRITTEN_UNITS.values() for unit in units),
        )
    return Quantity(value, unit[0])


def units_of(dimension: Dimension) -> tuple[str, ...]:
    """The units that a quantity of `dimension` may be written in, as people write them."""
    return _WRITTEN_UNITS[dimension]


def format_seconds(seconds: float) -> str:
    """A time with three significant digits, in the unit that suits it: `0.000234` s is `234 µs`."""
    return _scaled(seconds, (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))) or f"{_three_digits(seconds / 1e-9)} ns"


def format_age(seconds: float) -> str:
    """A time span in its largest whole unit, as in `5 min`, `3 h` or `12 d`; what lies in the future is `0 s`."""
    whole = max(0, int(seconds))
    unit, length = next((entry for entry in _AGES if whole >= entry[1]), _AGES[-1])
    return f"{whole // length} {unit}"


def format_bytes(size: float) -> str:
    """A size with three significant digits and a decimal prefix: `97823` bytes is `97.8 KB`."""
    return _scaled(size, (("GB", 1e9), ("MB", 1e6), ("KB", 1e3))) or f"{size:.0f} B"


def format_watts(watts: float) -> str:
    """A power with three significant digits, in the unit that suits it: `0.0419` W is `41.9 mW`."""
    return _scaled(watts, (("W", 1.0), ("mW", 1e-3))) or f"{_three_digits(watts / 1e-6)} µW"


def format_count(number: float) -> str:
    """A count with three significant digits: `12501632` is `12.5 M`."""
    return _scaled(number, (("G", 1e9), ("M", 1e6), ("k", 1e3))) or f"{number:.0f}"


def format_share(share: float) -> str:
    """A share in [0, 1] in per cent: `0.913` is `91.3 %`."""
    return f"{100 * share:.4g} %"


def format_points(share: float) -> str:
    """A signed difference of two shares in percentage points: `-0.005` is `-0.50 pt`."""
    return f"{100 * share:+.2f} pt"


def format_quantity(value: float, dimension: Dimension) -> str:
    """`value` in its base unit, written as people read that dimension."""
    write = _FORMATS.get(dimension)
    return write(value) if write else f"{value:.4g} {dimension.value}"


_FORMATS: dict[Dimension, Callable[[float], str]] = {
    Dimension.SECONDS: format_seconds,
    Dimension.BYTES: format_bytes,
    Dimension.BYTES_PER_SECOND: lambda rate: f"{format_bytes(rate)}/s" if rate >= 1e3 else f"{rate:.3g} B/s",
    Dimension.HERTZ: lambda rate: f"{format_count(rate)}Hz" if rate >= 1e3 else f"{rate:.3g} Hz",
    Dimension.WATTS: format_watts,
    Dimension.POINTS: lambda share: f"{100 * share:.3g} pt",
    Dimension.PERCENT: lambda share: f"{100 * share:.4g} %",
    Dimension.NUMBER: lambda number: f"{number:.6g}",
}


def _scaled(number: float, units: tuple[tuple[str, float], ...]) -> str:
    """`number` in the largest of `units` that it reaches once rounded to three digits; empty below all of them."""
    rounded = float(f"{number:.3g}")
    return next((f"{_three_digits(number / factor)} {unit}" for unit, factor in units if abs(rounded) >= factor), "")


def _three_digits(number: float) -> str:
    rounded = float(f"{number:.3g}")
    if not rounded or not math.isfinite(rounded):
        return f"{rounded:.0f}"
    return f"{number:.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"
