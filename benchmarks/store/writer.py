"""Records runs until it is killed or has done so many, and prints the id of each that is recorded.

Usage: writer.py STORE NAME COUNT; beside the store lies `shared.onnx`, the baseline of all runs. Every third run also
keeps a step, every tenth cleans up what no run names.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edgeopt.core.artifact import Artifact
from edgeopt.core.files import sha256_of
from edgeopt.core.measurement import Origin, single_value
from edgeopt.core.run import Run
from edgeopt.measure.environment import environment
from edgeopt.store.store import Store
from edgeopt.workflow.record import record_run

OWN_BYTES = 20_000


def main(folder: str, name: str, count: str) -> None:
    store, place = Store(Path(folder)), Path(folder).parent
    shared, here = _artifact(place / "shared.onnx"), environment()
    for number in range(int(count)):
        path = place / f"{name}.onnx"
        path.write_text(f"weights {number} of {name} ".ljust(OWN_BYTES, "."))
        made = _artifact(path, parent=shared.sha256)
        entry = record_run(_run(here, shared, made, name, number), store=store).entry
        print(entry.id, flush=True)
        if number % 3 == 0:
            store.remember_step(f"{name} {number}", made, {"details": {}, "warnings": []})
        if number % 10 == 9:
            store.collect_garbage()


def _artifact(path: Path, **lineage: str) -> Artifact:
    size = path.stat().st_size
    return Artifact(path=path, format="onnx", sha256=sha256_of(path), size_bytes=size, lineage=lineage)


def _run(here: dict, shared: Artifact, made: Artifact, name: str, number: int) -> Run:
    return Run(
        command="gate",
        environment=here,
        artifacts=({**shared.as_json(), "role": "baseline"}, {**made.as_json(), "role": "candidate"}),
        measurements=(single_value("size", made.size_bytes, artifact=made.sha256, unit="B", origin=Origin.HOST),),
        own={
            "writer": [name, number],
            "verdict": "passed",
            "judged": {"source": "eval.npz", "sha256": "d" * 64, "rows": "e" * 64, "n": 899, "part": "confirm"},
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
