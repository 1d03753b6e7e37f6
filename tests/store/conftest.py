"""A store in a folder of its own, and runs to put in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeopt.core.artifact import Artifact
from edgeopt.core.measurement import Origin, single_value
from edgeopt.core.run import Run
from edgeopt.store.store import Store

DATE = "2026-11-{day:02}T12:00:00+00:00"

MakeRun = Callable[..., Run]
MakeArtifact = Callable[..., Artifact]


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Does not wait for the disk: only a power cut could tell the difference."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that does not exist yet."""
    return Store(tmp_path / "place" / ".edgeopt")


@pytest.fixture
def make_artifact(tmp_path: Path) -> MakeArtifact:
    """Writes a model file with a content of its own; its artifact."""

    def make(name: str, content: str = "", **lineage: Any) -> Artifact:
        path = tmp_path / name
        path.write_text(content or f"weights of {name}")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Artifact(path=path, format="onnx", sha256=digest, size_bytes=path.stat().st_size, lineage=lineage)

    return make


@pytest.fixture
def acceptance() -> Callable[..., dict[str, str]]:
    """What `gate --accept` notes in its run on some day of November 2026."""

    def make(day: int, config: str = "edgeopt.toml", by: str = "Ada") -> dict[str, str]:
        return {"by": by, "date": DATE.format(day=day), "reason": f"release {day}", "config": config}

    return make


@pytest.fixture
def judged_on() -> Callable[..., dict[str, Any]]:
    """What a run notes of the samples that it judged on."""

    def make(rows: str = "e" * 64, sha256: str = "d" * 64, source: str = "eval.npz") -> dict[str, Any]:
        return {"source": source, "sha256": sha256, "rows": rows, "n": 899, "part": "confirm"}

    return make


@pytest.fixture
def make_run() -> MakeRun:
    """A run of some day about some artifacts, the last of them the candidate."""

    def make(*artifacts: Artifact, day: int = 1, command: str = "bench", **own: Any) -> Run:
        roles = [*["baseline"] * (len(artifacts) - 1), "candidate"][: len(artifacts)]
        return Run(
            command=command,
            environment={
                "date": DATE.format(day=day),
                "machine": "0a1b2c3d4e5f",
                "cpu": "some processor",
                "os": "some system",
                "versions": {"edgeopt": "0.1.0", "onnxruntime": "1.32.0"},
            },
            artifacts=tuple(
                {**artifact.as_json(), "role": role} for artifact, role in zip(artifacts, roles, strict=True)
            ),
            measurements=tuple(
                single_value("size", artifact.size_bytes, artifact=artifact.sha256, unit="B", origin=Origin.HOST)
                for artifact in artifacts
            ),
            own=own,
        )

    return make
