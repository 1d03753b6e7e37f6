"""`edgeopt bench --target T` where T is not this machine: estimates, beside what is measured and never among it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.profiles import load_target
from edgeopt.errors import InputError, Unsupported
from edgeopt.predict.estimate import Estimate, estimate

_METRICS = ("latency", "energy")


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateRow:
    """What is estimated of one model on one target.

    Attributes:
        artifact: The model.
        target: The device that is not here.
        estimate: Median, interval, and what they rest on.
        is_explained: Whether the record holds the cost of every kernel.
    """

    artifact: Artifact
    target: str
    estimate: Estimate
    is_explained: bool = False

    def as_json(self) -> dict[str, Any]:
        """The row under `runs`: a latency with `median` and `interval90`, and no samples."""
        found, rates = self.estimate, self.estimate.rates
        return {
            "artifact": self.artifact.sha256,
            "path": str(self.artifact.path),
            "target": self.target,
            "runtime": rates.runtime,
            "dtype": rates.dtype,
            "threads": rates.threads,
            "batch": 1,
            "origin": found.origin.value,
            "latency": {"median": found.median, "interval90": list(found.interval90), "unit": "s"},
            "load": None,
            "throughput": None,
            "memory": None,
            "energy": self._energy(),
            "instructions": None,
            "basis": {
                "source": rates.source,
                "networks": rates.networks,
                "families": rates.families,
                "uncovered": list(found.uncovered),
                "notes": list(found.warnings),
            },
            **({"kernels": self._kernels()} if self.is_explained else {}),
        }

    def _energy(self) -> dict[str, Any] | None:
        if self.estimate.joules is None:
            return None
        rates = self.estimate.rates
        return {"value": self.estimate.joules, "unit": "J", "watts": rates.watts, "source": rates.watts_source}

    def _kernels(self) -> list[dict[str, Any]]:
        return [
            {
                "name": one.name,
                "operator": one.operator,
                "seconds": one.seconds,
                "share": one.seconds / self.estimate.median,
                "macs": one.macs,
                "bound": one.bound,
                "is_covered": one.is_covered,
            }
            for one in self.estimate.kernels
        ]


def require_estimable(
    targets: Sequence[str],
    *,
    metric: str,
    batch: int,
    shapes: Mapping[str, Sequence[int]],
    against: bool,
    soak: bool,
) -> None:
    """Refuse what an estimate cannot have.

    Raises:
        InputError: There is no such target.
        Unsupported: An option asks for more than one inference at batch 1.
    """
    for name in targets:
        load_target(name)
    name = targets[0]
    if metric not in _METRICS:
        raise Unsupported(f"there is no {metric} for `{name}`", hint="estimates are of latency and energy")
    if batch != 1 or shapes:
        raise Unsupported(
            f"`{'--batch' if batch != 1 else '--shape'}` is not estimated for `{name}`",
            hint="estimates are of one sample at the lengths that the model holds, 1 for free axes",
        )
    if against or soak:
        raise Unsupported(
            f"`{'--against' if against else '--soak'}` needs measurements, there are none of `{name}`",
            hint=f"install edgeopt on the {name} and run the same command there with `--target host`",
        )


def estimate_models(
    artifacts: Sequence[Artifact],
    targets: Sequence[str],
    *,
    metric: str,
    runtime: str | None,
    dtype: str | None,
    threads: int | None,
    explain: bool,
) -> tuple[EstimateRow, ...]:
    """A row per model and target.

    Raises:
        Unsupported: No data for a target with that runtime, dtype and threads, or none of its power.
    """
    rows = tuple(
        EstimateRow(
            artifact=artifact,
            target=name,
            estimate=estimate(artifact.path, load_target(name).name, runtime=runtime, dtype=dtype, threads=threads),
            is_explained=explain,
        )
        for artifact in artifacts
        for name in targets
    )
    if metric == "energy":
        _require_power(rows)
    return rows


def _require_power(rows: Sequence[EstimateRow]) -> None:
    from edgeopt.predict.rates import all_rates

    for row in rows:
        if row.estimate.joules is None:
            names = [one.label for one in all_rates() if one.watts]
            raise Unsupported(
                f"no power was measured of `{row.estimate.rates.label}`", hint="with data: " + "; ".join(names)
            )


def require_no_estimate_options(*, dtype: str | None, explain: bool) -> None:
    """Refuse options of estimates where nothing is estimated.

    Raises:
        InputError: One of them is given.
    """
    if dtype or explain:
        raise InputError(
            f"`{'--dtype' if dtype else '--explain'}` is of estimates, `host` is measured",
            hint="name another target: `edgeopt targets list`",
        )


def warnings_of(rows: Sequence[EstimateRow]) -> list[str]:
    """What the reader of an estimate must know, per model and target."""
    return [
        f"`{Path(row.artifact.path).name}` on {row.target}: {text}" for row in rows for text in row.estimate.warnings
    ]
