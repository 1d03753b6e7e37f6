"""A small task with data, and processes whose times are played back from a script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.measure import environment, latency
from edgeopt.measure.worker import Job

SAMPLES = 900


@dataclass(frozen=True)
class Task:
    """A model of two classes and labelled samples of which it gets nine in ten right."""

    folder: Path
    model: Path
    data: Path

    def with_arrays(self, name: str, **arrays: Any) -> Path:
        """Other data: that of the task with some arrays changed; None leaves one out."""
        with np.load(self.data) as archive:
            kept = {**archive, **arrays}
        path = self.folder / name
        np.savez(path, **{key: array for key, array in kept.items() if array is not None})
        return path

    def configured(self, *rules: str, name: str = "edgeopt.toml", **sections: str) -> Path:
        """An edgeopt.toml with these rules; a keyword adds lines to the section of its name."""
        listed = ", ".join(f"'{rule}'" for rule in rules)
        parts = {
            "model": f'path = "{self.model.name}"',
            "data": f'path = "{self.data.name}"\nsamples = 100',
            "recipe": 'steps = [{ quantize = { target = "rpi4" } }]',
            "bench": "processes = 2",
            "gate": f"rules = [{listed}]",
        }
        for section, lines in sections.items():
            parts[section] = f"{parts.get(section, '')}\n{lines}"
        path = self.folder / name
        path.write_text("schema = 1\n" + "\n".join(f"[{part}]\n{lines}\n" for part, lines in parts.items()))
        return path


@pytest.fixture
def task(small_models: Any, outputs_of: Callable[..., Any], tmp_path: Path) -> Task:
    """`model.onnx` and `data.npz` in a folder of their own: x, y and a column `room`."""
    model = small_models.mlp()
    generator = np.random.default_rng(0)
    samples = generator.standard_normal((SAMPLES, 3)).astype(np.float32)
    labels = outputs_of(model, {"x": samples})["scores"].argmax(axis=1)
    is_wrong = generator.random(SAMPLES) < 0.1
    rooms = np.array(["hall", "cellar"])[(np.arange(SAMPLES) % 3 == 0).astype(int)]
    made = Task(tmp_path, tmp_path / "model.onnx", tmp_path / "data.npz")
    made.model.write_bytes(model.SerializeToString())
    np.savez(made.data, x=samples, y=np.where(is_wrong, 1 - labels, labels), room=rooms)
    return made


@pytest.fixture
def scripted_times(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Job]]:
    """Plays back times by the beginning of a file's name, in seconds; 1 ms where none fits. Gives the jobs asked for.

    A sequence of times is one per process, the last one for all that follow.
    """

    def play(**seconds: Any) -> list[Job]:
        jobs: list[Job] = []

        def time_of(path: str, process: int) -> float:
            found = next((seconds[key] for key in seconds if Path(path).name.startswith(key)), 0.001)
            times = found if isinstance(found, list) else [found]
            return float(times[min(process, len(times) - 1)])

        def answer(job: Job, **_options: Any) -> dict[str, Any]:
            jobs.append(job)
            if job.kind == "footprint":
                return {"load": 0.01, "memory": 50_000_000, "memory_before": 40_000_000}
            generator = np.random.default_rng(job.turn)
            blocks = [(time_of(path, job.turn) * generator.normal(1, 0.002, (20, 10))).tolist() for path in job.models]
            return {"blocks": blocks, "is_warm": [True] * len(job.models), "preempted_per_second": 0.0}

        monkeypatch.setattr(latency, "run_job", answer)
        monkeypatch.setattr(latency, "load_average", lambda: 0.0)
        monkeypatch.setattr(environment, "governor", lambda: None)
        return jobs

    return play
