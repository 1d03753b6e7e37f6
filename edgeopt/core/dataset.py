"""Finite named samples with labels and slice columns, and the disjoint parts that they are split into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.stored_rows import StoredRows
from edgeopt.errors import InputError

CALIBRATION = "calibration"
SELECT = "select"
CONFIRM = "confirm"
PARTS = (CALIBRATION, SELECT, CONFIRM)

Array = NDArray[Any]
Samples = Array | StoredRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Samples that a model is calibrated or judged on.

    Attributes:
        inputs: Array per model input, each (sample, ...) of any numeric dtype; rows of a file where they are many.
        labels: (sample, ...) integers for classes, floats for regression; None when there are none.
        columns: Slice columns, each (sample,).
        part: (sample,) of `calibration`, `select` or `confirm`, when the data says so itself.
        source: Where it was read from, for people.
        digest: SHA-256 of the file it was read from; empty for synthetic samples.
        indices: (sample,) int64, position of each sample in the source.
    """

    inputs: Mapping[str, Samples]
    labels: Array | None = None
    columns: dict[str, Array] = field(default_factory=dict)
    part: Array | None = None
    source: str
    digest: str = ""
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    def identity(self) -> dict[str, Any]:
        """Which samples these are, for the record.

        `source`; `sha256` of the file; `rows`, a digest of their positions in it; `n`; and `part`, `confirm` where the
        data names parts and all are of that one, else empty.
        """
        positions = hashlib.sha256(self.indices.astype("<i8").tobytes()).hexdigest()[:16]
        is_confirm = self.part is not None and len(self) > 0 and bool((self.part == CONFIRM).all())
        return {
            "source": self.source,
            "sha256": self.digest,
            "rows": positions,
            "n": len(self),
            "part": CONFIRM if is_confirm else "",
        }

    def rows(self, positions: NDArray[np.int64]) -> Dataset:
        """The samples at `positions`, in that order."""
        return replace(
            self,
            inputs={name: _rows_at(array, positions) for name, array in self.inputs.items()},
            labels=None if self.labels is None else self.labels[positions],
            columns={name: array[positions] for name, array in self.columns.items()},
            part=None if self.part is None else self.part[positions],
            indices=self.indices[positions],
        )

    def batches(self, size: int, *, is_filled: bool = False) -> Iterator[dict[str, Array]]:
        """The inputs in order, `size` samples at a time.

        Args:
            size: Samples per batch.
            is_filled: Fill a last batch that is shorter with copies of its first sample, for models of a fixed batch.
        """
        for start in range(0, len(self), size):
            feeds = {name: array[start : start + size] for name, array in self.inputs.items()}
            missing = size - len(next(iter(feeds.values())))
            if is_filled and missing:
                feeds = {
                    name: np.concatenate([rows, np.repeat(rows[:1], missing, axis=0)]) for name, rows in feeds.items()
                }
            yield feeds


def _rows_at(samples: Samples, positions: NDArray[np.int64]) -> Samples:
    return samples.at(positions) if isinstance(samples, StoredRows) else samples[positions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Disjoint parts of one data set.

    Attributes:
        calibration: What calibrates.
        judged: What is judged.
        whole: The data set.
    """

    calibration: Dataset
    judged: Dataset
    whole: Dataset


def split_dataset(dataset: Dataset, *, samples: int, seed: int) -> Split:
    """Draw calibration samples, stratified by label; all that is left is judged.

    A data set with a `part` column is taken at its word: calibration is drawn from its `calibration` rows alone, and
    only rows of `confirm` are judged. Without one at most half of the samples calibrate.

    Args:
        dataset: What to split.
        samples: How many samples to calibrate on, at least 1.
        seed: Seed of the draw.

    Returns:
        The parts; `judged` is empty where calibration takes the only row, or no row is of part `confirm`.

    Raises:
        InputError: `samples` is below 1, or the data has no rows to draw from.
    """
    if samples < 1:
        raise InputError(f"`--samples {samples}`: calibration needs at least one sample", hint="200 is a good number")
    if dataset.part is not None:
        pool = np.flatnonzero(dataset.part == CALIBRATION)
        judged = np.flatnonzero(dataset.part == CONFIRM)
        drawn = _draw(pool, dataset.labels, samples, seed)
    else:
        pool = np.arange(len(dataset))
        drawn = _draw(pool, dataset.labels, min(samples, max(1, len(dataset) // 2)), seed)
        judged = np.setdiff1d(pool, drawn)
    if not len(drawn):
        raise InputError(
            f"data `{dataset.source}` has no sample to calibrate on",
            hint="give it at least one row" + (f" of part `{CALIBRATION}`" if dataset.part is not None else ""),
        )
    return Split(calibration=dataset.rows(drawn), judged=dataset.rows(judged), whole=dataset)


def sample_rows(dataset: Dataset, *, samples: int, seed: int) -> Dataset:
    """At most `samples` rows, drawn by `seed` and stratified by label.

    Raises:
        InputError: `samples` is below 1.
    """
    if samples < 1:
        raise InputError(f"`--samples {samples}`: it takes at least one sample", hint="100 is a good number")
    return dataset.rows(_draw(np.arange(len(dataset)), dataset.labels, samples, seed))


def judged_alone(dataset: Dataset) -> Split:
    """Nothing to calibrate on and the rest to judge, for what needs no calibration.

    A data set with a `part` column is taken at its word: only rows of `confirm` are judged.
    """
    rows = np.arange(len(dataset)) if dataset.part is None else np.flatnonzero(dataset.part == CONFIRM)
    return Split(calibration=no_samples(), judged=dataset.rows(rows), whole=dataset)


def no_samples() -> Dataset:
    """A data set without samples, for a step that needs none."""
    return Dataset(inputs={}, source="", indices=np.arange(0))


def _draw(pool: NDArray[np.int64], labels: Array | None, samples: int, seed: int) -> NDArray[np.int64]:
    """`samples` positions of `pool`, sorted; where labels are classes, they keep their shares (largest remainders)."""
    generator = np.random.default_rng(seed)
    if len(pool) <= samples:
        return pool
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iub":
        return np.sort(generator.choice(pool, samples, replace=False))
    classes, members = np.unique(labels[pool], return_inverse=True)
    shares = np.bincount(members, minlength=len(classes)) * samples / len(pool)
    quotas = np.floor(shares).astype(np.int64)
    quotas[np.argsort(quotas - shares, kind="stable")[: samples - quotas.sum()]] += 1
    drawn = [generator.choice(pool[members == index], quota, replace=False) for index, quota in enumerate(quotas)]
    return np.sort(np.concatenate(drawn))
