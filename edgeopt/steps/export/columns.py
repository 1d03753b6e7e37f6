"""What a fitted estimator takes: one table of numbers, or its columns by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.errors import InputError, Unsupported
from edgeopt.steps.export.random_rows import steps_of
from edgeopt.steps.export.reference import PURPOSE

INPUT = "x"
Feeds = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The inputs of an estimator.

    Attributes:
        count: Number of features.
        names: Of the features, where the estimator was fitted on a table with names; else empty.
        is_apart: Whether each is an input of its own, since the estimator picks them by name.
    """

    count: int
    names: tuple[str, ...] = ()
    is_apart: bool = False

    @property
    def inputs(self) -> dict[str, int]:
        """Number of features of each input of the ONNX model, by its name."""
        return dict.fromkeys(self.names, 1) if self.is_apart else {INPUT: self.count}

    def feeds(self, rows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Rows, (sample, feature), by input of the ONNX model, which takes them as float32."""
        if not self.is_apart:
            return {INPUT: rows}
        return {name: rows[:, [index]] for index, name in enumerate(self.inputs)}

    def table(self, feeds: Feeds) -> Any:
        """What the estimator itself takes for the inputs of the ONNX model: float64, in a table where it has names."""
        rows = np.concatenate([feeds[name].reshape(len(feeds[name]), -1) for name in self.inputs], axis=1)
        if not self.names:
            return rows.astype(np.float64)
        pandas: Any = import_module("pandas")  # it is there where an estimator was fitted on its tables

        return pandas.DataFrame(rows.astype(np.float64), columns=list(self.names))


def columns_of(estimator: Any, text: str) -> Columns:
    """The inputs of a fitted estimator.

    Raises:
        InputError: It does not say how many features it takes.
        Unsupported: It takes text.
    """
    count = getattr(estimator, "n_features_in_", None)
    if not isinstance(count, int | np.integer) or count < 1:
        raise InputError(
            f"{PURPOSE} `{text}` does not say how many features it takes (`n_features_in_`)",
            hint="fit it on a table of numbers, (sample, feature), not on text or a list of dicts",
        )
    names = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
    is_apart = bool(names) and _picks_by_name(estimator)
    if is_apart and _takes_text(estimator):
        raise Unsupported(
            f"{PURPOSE} `{text}` has categories that are text, and edgeopt runs models on numbers",
            hint="encode text as numbers before the pipeline, and fit it on these",
        )
    return Columns(count=int(count), names=names, is_apart=is_apart)


def _picks_by_name(estimator: Any) -> bool:
    """Whether a step selects columns by their names."""
    for step in steps_of(estimator):
        for _, _, chosen in getattr(step, "transformers", ()):
            wanted = chosen if isinstance(chosen, list | tuple) else [chosen]
            if any(isinstance(each, str) for each in wanted) or callable(chosen):
                return True
    return False


def _takes_text(estimator: Any) -> bool:
    """Whether an encoder among the steps was fitted on text."""
    waiting = steps_of(estimator)
    while waiting:
        step = waiting.pop()
        if any(np.asarray(each).dtype.kind in "OUS" for each in getattr(step, "categories_", ())):
            return True
        waiting += [each for _, each, *_ in getattr(step, "transformers_", ()) if hasattr(each, "fit")]
        waiting += [each for _, each in getattr(step, "steps", ())]
    return False
