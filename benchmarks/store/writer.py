"""A process that records runs until it is killed or has done so many, and says so after each.

Usage: writer.py STORE NAME COUNT TEMPLATE. Beside STORE lies `shared.onnx`; TEMPLATE is the record of a run. Prints
the number and the id of every run that the store has acknowledged. Each run has the shared model as its baseline and
one of its own as its candidate.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

from edgeopt.core.run import Run, run_from_file
from edgeopt.store.store import Store


def main(folder: str, name: str, count: str, template: str) -> None:
    """Record `count` runs under `name`."""
    store, place = Store(Path(folder)), Path(folder).parent
    shared, own = place / "shared.onnx", place / f"{name}.onnx"
    run = run_from_file(Path(template))
    for number in range(int(count)):
        own.write_text(f"weights {number} of {name}\n" * 100)
        entry = store.add_run(_like(run, name, number, shared, own), {"baseline": shared, "candidate": own})
        print(number, entry.id, flush=True)


def _like(run: Run, name: str, number: int, shared: Path, own: Path) -> Run:
    """`run` as another one, made by a writer from the shared model."""
    artifacts = tuple(
        {
            **run.artifacts[0],
            "role": role,
            "path": str(path),
            "sha256": _digest(path),
            "size_bytes": path.stat().st_size,
        }
        for role, path in (("baseline", shared), ("candidate", own))
    )
    return replace(run, artifacts=artifacts, own={**run.own, "writer": [name, number]})


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
