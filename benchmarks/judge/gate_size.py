"""What the gate costs on 100,000 samples, as a whole command: prediction files of two models, and rules of every kind.

Bars: 3 s and 300 MB, the bootstrap of a mean included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from places import EDGEOPT, RESULTS
from process import ProcessCost, run_process
from record import write_result

from edgeopt.judge.predictions import Predictions
from edgeopt.workflow.compare import compare
from edgeopt.workflow.prediction_file import write_predictions

SAMPLES, CLASSES, REPEATS = 100_000, 10, 7
# name -> rules
CASES = {
    "a share: accuracy": ["accuracy >= baseline - 0.5 pt"],
    "a mean, bootstrapped: log loss": ["log_loss <= baseline + 2 %"],
    "20 slices": ["slice(speaker).accuracy >= baseline - 3 pt"],
    "all of these, F1, flips and SNR": [
        "accuracy >= baseline - 0.5 pt",
        "log_loss <= baseline + 2 %",
        "slice(speaker).accuracy >= baseline - 3 pt",
        "f1 >= baseline - 1 pt",
        "flip_rate <= 5 %",
        "sqnr >= 20 dB",
    ],
}


def main() -> None:
    """Time the command on each set of rules."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/results/gate-size.md")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run = _recorded(Path(folder))
        for name, rules in CASES.items():
            costs = [_cost(run, rules) for _ in range(REPEATS)]
            seconds = statistics.median(cost.wall_seconds for cost in costs)
            peak = max(cost.peak_bytes for cost in costs)
            codes = sorted({cost.exit_code for cost in costs})
            rows.append((name, f"{seconds:.2f} s", f"{peak / 1e6:.0f} MB", f"{codes}"))
            print(*rows[-1], flush=True)
    if options.write:
        write_result(
            RESULTS / "gate-size.md",
            title="The gate on 100,000 samples",
            about=f"`edgeopt gate RUN.json` as a whole command on prediction files of {SAMPLES:,} samples and "
            f"{CLASSES} classes; median time and largest peak of {REPEATS} runs. Bars: 3 s and 300 MB.",
            header=("rules", "time", "peak memory", "exit codes"),
            rows=rows,
        )


def _recorded(folder: Path) -> Path:
    """A record of `compare` on two prediction files."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, SAMPLES)
    scores = generator.normal(size=(SAMPLES, CLASSES)).astype(np.float32)
    scores[np.arange(SAMPLES), labels] += 3
    noise = generator.normal(0, 0.1, scores.shape).astype(np.float32)
    columns = {"speaker": np.array([f"s{number}" for number in generator.integers(0, 20, SAMPLES)])}
    paths = []
    for name, given in (("base", scores), ("small", scores + noise)):
        paths.append(folder / f"{name}.npz")
        write_predictions(Predictions(scores=given, labels=labels, columns=columns), paths[-1], force=True)
    run = folder / "run.json"
    run.write_text(json.dumps(compare(*paths).as_json()), encoding="utf-8")
    return run


def _cost(run: Path, rules: list[str]) -> ProcessCost:
    chosen = [part for rule in rules for part in ("--rule", rule)]
    return run_process([EDGEOPT, "gate", str(run), *chosen, "--no-record"])


if __name__ == "__main__":
    main()
