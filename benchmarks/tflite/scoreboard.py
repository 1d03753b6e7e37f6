"""The scoreboard of operators: every case of the `onnx` package's own tests, converted, run and compared.

    python benchmarks/tflite/scoreboard.py [--kind node] [--only Conv,Pad] [--show wrong,refused] [--jobs 2] [--write]

A native crash ends a child process and is that case's outcome, not the end of the run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tflite.board import STATUSES, write_board
from tflite.cases import KINDS, Outcome, load_cases, operator_of, tried


def outcomes_of(names: list[str], kinds: tuple[str, ...]) -> list[Outcome]:
    """What becomes of the cases called `names`, tried in child processes."""
    found: list[Outcome] = []
    left = list(names)
    while left:
        command = [sys.executable, __file__, "--worker", "--kind", ",".join(kinds)]
        done = subprocess.run(command, input=json.dumps(left), capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"case"')]
        found += [Outcome(**line) for line in lines]
        left = left[len(lines) :]
        if left:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
            found.append(Outcome(case=left[0], operator="", status="crashed", detail=last[0][:300]))
            left = left[1:]
    return found


def outcomes_by_several(names: list[str], kinds: tuple[str, ...], jobs: int) -> list[Outcome]:
    """As `outcomes_of`, by `jobs` children at a time, in the order of `names`."""
    with ThreadPoolExecutor(jobs) as pool:
        parts = pool.map(lambda start: outcomes_of(names[start::jobs], kinds), range(jobs))
        by_name = {outcome.case: outcome for part in parts for outcome in part}
    return [by_name[name] for name in names]


def work(kinds: tuple[str, ...]) -> None:
    """Try the cases whose names come on stdin; an outcome per line."""
    cases = load_cases(kinds)
    for name in json.load(sys.stdin):
        print(json.dumps(tried(cases[name], cases).as_json()), flush=True)


def main() -> None:
    """Run the cases that were asked for and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", default=",".join(KINDS))
    parser.add_argument("--only", default="", help="operators, or parts of names of cases, with commas")
    parser.add_argument("--show", default="wrong,not loadable,crashed", help="statuses whose cases are listed")
    parser.add_argument("--json", type=Path, help="file to write all outcomes to")
    parser.add_argument("--every", type=int, default=1, help="only every Nth of the cases that are left")
    parser.add_argument("--jobs", type=int, default=1, help="children at a time")
    parser.add_argument("--write", action="store_true", help="write the stored scoreboard and its page")
    parser.add_argument("--worker", action="store_true")
    arguments = parser.parse_args()
    kinds = tuple(arguments.kind.split(","))
    if arguments.worker:
        work(kinds)
        return
    cases = load_cases(kinds)
    parts = [part for part in arguments.only.split(",") if part]
    names = [
        name
        for name, case in cases.items()
        if not parts or operator_of(case, cases) in parts or any(p in name for p in parts if "_" in p)
    ]
    names = names[:: arguments.every]
    found = outcomes_by_several(names, kinds, arguments.jobs)
    shown = arguments.show.split(",")
    for outcome in found:
        if outcome.status in shown:
            print(f"{outcome.status:13} {outcome.case:60} {outcome.operator:20} {outcome.detail}")
    counts = Counter(outcome.status for outcome in found)
    print(", ".join(f"{status}: {counts[status]}" for status in STATUSES if counts[status]), f"of {len(found)}")
    if arguments.write:
        write_board(found, cases)
    if arguments.json:
        arguments.json.write_text(json.dumps([each.as_json() for each in found], indent=1))


if __name__ == "__main__":
    main()
