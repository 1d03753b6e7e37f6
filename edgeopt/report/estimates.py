"""Estimated latencies as people read them, from a `bench` record alone; never in a column with measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from edgeopt.report.escape import printable
from edgeopt.report.figures import Record
from edgeopt.units import format_count, format_seconds, format_share

HEADERS = ("model", "target", "latency, estimated", "90 % interval", "energy", "how")
KERNEL_HEADERS = ("kernel", "operator", "latency, estimated", "of all", "MACs", "bound by", "data")


def is_estimate(row: Record) -> bool:
    """Whether a row of `runs` was estimated and not measured."""
    return bool(row["origin"] == "estimated")


def measured_rows(record: Record) -> list[Record]:
    """Rows of what was measured."""
    return [row for row in record["runs"] if not is_estimate(row)]


def estimated_rows(record: Record) -> list[Record]:
    """Rows of what was estimated."""
    return [row for row in record["runs"] if is_estimate(row)]


def estimate_cells(row: Record) -> list[str]:
    """The cells of one estimate, under `HEADERS`."""
    low, high = row["latency"]["interval90"]
    threads = f"{row['threads']} thread" + ("s" if row["threads"] > 1 else "")
    return [
        printable(PurePath(row["path"]).name),
        printable(row["target"]),
        format_seconds(row["latency"]["median"]),
        f"{format_seconds(low)} to {format_seconds(high)}",
        _joules_text(row["energy"]["value"]) if row["energy"] else "",
        f"{row['runtime']}, {row['dtype']}, {threads}",
    ]


def basis_text(row: Record) -> str:
    """What an estimate rests on, in one sentence."""
    basis = row["basis"]
    told = f"{printable(row['target'])}: from {basis['networks']} networks of {basis['families']} families"
    return f"{told} ({printable(basis['source'])})"


def kernel_cells(row: Record) -> list[Sequence[str]]:
    """A line per kernel of an explained estimate, under `KERNEL_HEADERS`."""
    return [
        (
            printable(one["name"]),
            printable(one["operator"]),
            format_seconds(one["seconds"]),
            format_share(one["share"]),
            format_count(one["macs"]),
            one["bound"],
            "yes" if one["is_covered"] else "none",
        )
        for one in row.get("kernels", [])
    ]


def _joules_text(joules: float) -> str:
    """An energy in joules or a thousandth or a millionth of one, with three digits."""
    factor, unit = next(((f, u) for f, u in ((1.0, "J"), (1e-3, "mJ")) if joules >= f), (1e-6, "µJ"))
    return f"{joules / factor:.3g} {unit}"
