"""Fit the rates that ship again, from the published latencies in ../shared/data/latency.

Usage: python benchmarks/estimates/refit.py [--check]
Writes edgeopt/predict/rates.json; with `--check` it only says whether that file is what the data give.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from edgeopt.predict.features import FEATURES
from edgeopt.predict.rates import SCHEMA
from estimates.fit import Rows, Vector, fit
from estimates.holdout import half_widths, held_out
from estimates.priors import STRENGTHS, prior
from estimates.rows import Key, groups
from estimates.shipped import BOARDS, WIDEST, notes_of, order_of, source_of, watts_of

RATES = Path(__file__).parents[2] / "edgeopt" / "predict" / "rates.json"
_DIGITS = 5  # significant, of a rate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    text = rates_text()
    if parser.parse_args().check:
        is_same = RATES.is_file() and RATES.read_text(encoding="utf-8") == text
        print("as the data give" if is_same else "not what the data give: run without --check")
        return 0 if is_same else 1
    RATES.write_text(text, encoding="utf-8")
    print(f"{RATES}: {len(json.loads(text)['groups'])} groups")
    return 0


def rates_text() -> str:
    """The whole file."""
    found: list[tuple[Key, dict[str, Any]]] = []
    for pool, rows in groups().items():
        wanted = [key for key in rows if key.target in BOARDS and key.threads]
        if not wanted:
            continue
        widths = half_widths(held_out(pool, rows, wanted))
        rates = fit(rows, wanted, prior(pool.engine), STRENGTHS[pool.engine])
        found += [(key, _group(key, rows[key], rates[key], widths[key])) for key in wanted if widths[key] <= WIDEST]
    found.sort(key=lambda one: order_of(one[0]))
    lines = ",\n".join(json.dumps(group, ensure_ascii=False) for _, group in found)
    return f'{{"schema": {SCHEMA}, "features": {json.dumps(list(FEATURES))}, "groups": [\n{lines}\n]}}\n'


def _group(key: Key, rows: Rows, rates: Vector, half_width: float) -> dict[str, Any]:
    board = BOARDS[key.target]
    power = watts_of(key)
    group = {
        "target": board.target,
        "runtime": key.runtime,
        "dtype": key.dtype,
        "threads": key.threads,
        "seconds": [float(f"{rate * board.factor:.{_DIGITS}g}") for rate in rates],
        "half_width": round(half_width, 4),
        "networks": len(rows.models),
        "families": len(set(rows.families)),
        "slowest_seconds": float(f"{rows.seconds.max() * board.factor:.4g}"),
        "fastest_seconds": float(f"{rows.seconds.min() * board.factor:.4g}"),
        "unseen": [name for name, column in zip(FEATURES, rows.amounts.T, strict=True) if not column.any()],
        "source": source_of(key),
        "notes": list(notes_of(key)),
    }
    return group | ({"watts": power[0], "watts_source": power[1]} if power else {})


if __name__ == "__main__":
    sys.exit(main())
