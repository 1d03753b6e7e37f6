"""The scoreboard written down: a file that the tests hold conversion to, and a page for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from record import write_result

from tflite.cases import Outcome, is_common

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "tests" / "steps" / "tflite" / "scoreboard.json"
PAGE = ROOT / "docs" / "results" / "tflite-scoreboard.md"
STATUSES = ("equal", "refused", "wrong", "not loadable", "crashed", "unreadable")
FAULTS = ("wrong", "not loadable", "crashed")
_WIDEST_REASON = 160  # characters of a reason in the table
_HEADER = ("operator", "cases", "equal", "refused", "wrong", "not loadable", "crashed", "why refused")


def counts_of(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """Number of cases per operator and status, in alphabetical order."""
    found: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.operator, Counter())[outcome.status] += 1
    return {operator: dict(sorted(found[operator].items())) for operator in sorted(found, key=str.lower)}


def write_board(outcomes: Sequence[Outcome], cases: dict[str, Any]) -> None:
    """Write the stored scoreboard and its page.

    Args:
        outcomes: What became of every case.
        cases: The cases by name.
    """
    stored = {
        "schema": 1,
        "operators": counts_of(outcomes),
        "cases": {each.case: each.status for each in sorted(outcomes, key=lambda each: each.case)},
    }
    STORED.write_text(json.dumps(stored, indent=1) + "\n")
    write_result(
        PAGE,
        title="ONNX to TFLite: the test cases of the onnx package",
        about=_about(outcomes, cases),
        header=_HEADER,
        rows=_rows(outcomes),
    )


def _about(outcomes: Sequence[Outcome], cases: dict[str, Any]) -> str:
    node = [each for each in outcomes if cases[each.case].kind == "node"]
    common = [each for each in node if is_common(cases[each.case].model)]
    others = [each for each in outcomes if cases[each.case].kind != "node"]
    return "\n".join(
        [
            "Every test case of the `onnx` package (`onnx.backend.test`), converted to TFLite and run by LiteRT, with "
            "XNNPACK and with the reference kernels; both must give what the case expects, within its own tolerances "
            "(but two inverse Fourier transforms, whose expected values are off by 1.9e-7 themselves: see `NOISY`). "
            "Inputs that carry shapes, axes, pads or counts are bound as constants, in the written-out form of an "
            "operator too (`BOUND` in `benchmarks/tflite/cases.py`). Inputs and outputs keep the layout of ONNX, so "
            "that no case is equal only after a change of layout at the edges.",
            "",
            f"- node cases: {_told(node)}",
            f"- of these, with fixed shapes, common types and the standard domain: {_told(common)}",
            f"- cases of `simple`, `pytorch-converted`, `pytorch-operator` and `light`: {_told(others)}",
            "",
            "A written-out case (`_expanded`) counts for its operator. *Unreadable* cases have no data or no model.",
        ]
    )


def _told(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(each.status for each in outcomes)
    told = ", ".join(f"{counts[status]:,} {status}" for status in STATUSES if counts[status] or status in FAULTS)
    return f"{told}, of {len(outcomes):,}"


def _rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    rows = []
    for operator, counts in counts_of(outcomes).items():
        reasons = Counter(
            _reason(each.detail) for each in outcomes if each.operator == operator and each.status == "refused"
        )
        told = "; ".join(reason for reason, _ in reasons.most_common(2))
        numbers = [str(counts.get(status, 0)) for status in STATUSES[:5]]
        rows.append([f"`{operator}`", str(sum(counts.values())), *numbers, told])
    return rows


def _reason(detail: str) -> str:
    """The first reason of a refusal, without the node that it is about."""
    first = detail.split("; `", maxsplit=1)[0].partition("): ")
    reason = (first[2] or first[0]).replace("|", "\\|").replace("\n", " ")
    return reason if len(reason) <= _WIDEST_REASON else f"{reason[:_WIDEST_REASON]}…"
