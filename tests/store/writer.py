"""Records runs until it is killed or has done so many, and prints the number of each that is recorded.

Usage: writer.py STORE NAME COUNT [gc|gc-later]; with `gc` it keeps the last ten runs after every third one, with
`gc-later` as if all that lies there were older than an hour, which is for a writer without others beside it.
"""

import sys
from pathlib import Path

from edgeopt.core.run import Run
from edgeopt.store.store import Store

LATER = 10 * 3_600


def main(folder: str, name: str, count: str, *modes: str) -> None:
    """Record runs, each with a model of its own and one that all share."""
    store, place = Store(Path(folder)), Path(folder).parent
    shared, own = place / "shared.onnx", place / f"{name}.onnx"
    for number in range(int(count)):
        own.write_text(f"weights {number} of {name}" * 1_000)
        store.add_run(_run(name, number), {"baseline": shared, "candidate": own})
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        if modes and number % 3 == 2:
            now = max(store.objects.path_of(sha256).stat().st_mtime for sha256 in store.objects)
            store.collect_garbage(keep=10, now=now + (LATER if "gc-later" in modes else 0))


def _run(name: str, number: int) -> Run:
    environment = {"date": f"2026-11-01T00:{number // 60 % 60:02}:{number % 60:02}+00:00"}
    return Run(command="bench", environment=environment, artifacts=(), measurements=(), own={"writer": [name, number]})


if __name__ == "__main__":
    main(*sys.argv[1:])
