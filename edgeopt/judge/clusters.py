"""Samples that depend on each other, as frames of one video: the cluster is what was drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Array
from edgeopt.errors import InputError, near_names

Positions = NDArray[np.int64]
# Efron and Narasimhan 2020 (https://doi.org/10.1080/10618600.2020.1714633, section 3): a jackknife over this many
# groups gives the acceleration as well as one over every sample.
_JACKKNIFE_GROUPS = 200


def cluster_numbers(columns: dict[str, Array], name: str) -> Positions:
    """(sample,) number of the cluster of each sample, from 0 on.

    Args:
        columns: Slice columns, each (sample,).
        name: The one whose equal values mark samples that depend on each other.

    Raises:
        InputError: There is no such column.
    """
    if name not in columns:
        raise InputError(
            f"the data has no column `{name}` to cluster by",
            hint=near_names(name, columns) if columns else "add it: one value per sample, as the patient or the video",
        )
    return np.asarray(np.unique(columns[name], return_inverse=True)[1].ravel(), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Units:
    """What a bootstrap draws: samples, or whole clusters of them.

    Attributes:
        rows: (sample,) positions, those of a unit side by side.
        starts: (unit,) where the rows of each unit begin.
        sizes: (unit,) samples in each unit, at least 1.
    """

    rows: Positions
    starts: Positions
    sizes: Positions

    def __len__(self) -> int:
        return len(self.sizes)

    def members(self, units: Positions) -> Positions:
        """Positions of the samples of `units`, which may name a unit more than once."""
        sizes = self.sizes[units]
        shifts = np.repeat(self.starts[units] - (np.cumsum(sizes) - sizes), sizes)
        return np.asarray(self.rows[shifts + np.arange(len(shifts))])

    def drawn(self, generator: np.random.Generator) -> Positions:
        """Positions of the samples of as many units as there are, drawn with replacement."""
        return self.members(generator.integers(len(self), size=len(self)))

    def left_out(self, generator: np.random.Generator) -> Iterator[Positions]:
        """Positions without one group of units after the other: every unit alone, or 200 groups drawn at random."""
        count = min(len(self), _JACKKNIFE_GROUPS)
        groups = generator.permutation(len(self)) % count
        for group in range(count):
            yield self.members(np.flatnonzero(groups != group))


def units_of(n: int, clusters: Positions | None) -> Units:
    """The units of `n` samples: the samples themselves, or their clusters, (sample,) numbers."""
    if clusters is None:
        return Units(rows=np.arange(n), starts=np.arange(n), sizes=np.ones(n, np.int64))
    sizes = np.unique(clusters, return_counts=True)[1]
    return Units(rows=np.argsort(clusters, kind="stable"), starts=np.cumsum(sizes) - sizes, sizes=sizes)
