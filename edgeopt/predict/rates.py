"""The fitted rates that ship: seconds per unit of work for each (target, runtime, dtype, threads) with data.

`benchmarks/estimates/refit.py` writes them. History of the file: schema 1, the first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from edgeopt.errors import Unsupported, near_names
from edgeopt.predict.features import FEATURES

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a group of published measurements says.

    Attributes:
        target: Name of the profile.
        runtime: Runtime and version.
        dtype: What the kernels compute in.
        threads: Threads that ran.
        seconds: Per unit of work, in the order of `FEATURES`; none is negative.
        half_width: Half the 90 % interval of log(latency), of a family that the fit has not seen.
        networks: Number of networks measured.
        families: Number of families they belong to.
        slowest_seconds: The longest latency among the data.
        fastest_seconds: The shortest.
        unseen: Features that none of those networks has: their rates are the prior's.
        source: Where the measurements come from.
        notes: What is assumed beside.
        watts: Median power while it runs, where it was measured.
        watts_source: Where that comes from, and what the meter saw.
    """

    target: str
    runtime: str
    dtype: str
    threads: int
    seconds: tuple[float, ...]
    half_width: float
    networks: int
    families: int
    slowest_seconds: float
    fastest_seconds: float
    unseen: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()
    watts: float | None = None
    watts_source: str = ""

    def __post_init__(self) -> None:
        assert len(self.seconds) == len(FEATURES), self.target
        assert min(self.seconds) >= 0, self.target
        assert self.half_width > 0, self.target

    @property
    def label(self) -> str:
        """What it is called in a list: `rpi4: litert-2.7.1, int8, 4 threads`."""
        return f"{self.target}: {self.runtime}, {self.dtype}, {self.threads} thread{'' if self.threads == 1 else 's'}"


@cache
def all_rates() -> tuple[Rates, ...]:
    """All that ships, the preferred runtime of each target first."""
    table = json.loads(files("edgeopt.predict").joinpath("rates.json").read_text(encoding="utf-8"))
    assert table["schema"] == SCHEMA, table["schema"]
    assert table["features"] == list(FEATURES), "rates.json is of other features: run benchmarks/estimates/refit.py"
    return tuple(_from_table(one) for one in table["groups"])


def rates_for(
    target: str,
    *,
    runtime: str | None,
    dtypes: Sequence[str],
    threads: int | None,
    among: Sequence[Rates] | None = None,
) -> Rates:
    """The rates of what was asked; of a runtime without a version the first listed.

    Args:
        target: Name of a profile.
        runtime: With its version or without; any where None.
        dtypes: Those that will do, the preferred first.
        threads: Any number that has data where None, the most first.
        among: What to choose from; what ships where None.

    Raises:
        Unsupported: No data for it; the hint lists what has.
    """
    listed = all_rates() if among is None else among
    known = [one for one in listed if one.target == target]
    if not known:
        names = sorted({one.target for one in listed})
        raise Unsupported(
            f"no measurements to estimate `{target}` from",
            hint=f"measure on it, or choose one with data: {near_names(target, names)}",
        )
    fits = [one for one in known if _is_runtime(one.runtime, runtime) and threads in (None, one.threads)]
    for dtype in dtypes:
        found = [one for one in fits if one.dtype == dtype]
        if found:
            return found[0]
    asked = [runtime or "any runtime", " or ".join(dtypes), f"{threads} threads" if threads else "any threads"]
    raise Unsupported(
        f"no measurements of `{target}` with {', '.join(asked)}",
        hint="with data: " + "; ".join(one.label for one in known),
    )


def _is_runtime(name: str, asked: str | None) -> bool:
    return asked is None or name == asked or name.startswith(f"{asked}-")


def _from_table(table: dict[str, Any]) -> Rates:
    values = dict(table)
    for key in ("seconds", "unseen", "notes"):
        values[key] = tuple(values.get(key, ()))
    return Rates(**values)
