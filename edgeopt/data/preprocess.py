"""What is done to raw samples before the model sees them: `(x * scale - mean) / std`, and the layout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeopt.core.dataset import Array
from edgeopt.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """`[preprocess]` of edgeopt.toml, or `--scale`, `--mean`, `--std` and `--layout`.

    Attributes:
        scale: Factor on raw values, applied first; 1/255 brings bytes to [0, 1].
        mean: Subtracted after scaling: one number, or one per channel.
        std: Divides last: one positive number, or one per channel.
        layout: Layout of the *data*: `nhwc` samples are transposed for an NCHW model and the other way round;
            None leaves them.
    """

    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: Literal["nchw", "nhwc"] | None = None

    def __post_init__(self) -> None:
        for name, values in (("scale", (self.scale,)), ("mean", self.mean), ("std", self.std)):
            strange = [value for value in values if not math.isfinite(value)]
            if strange:
                raise InputError(f"`{name}` is `{strange[0]}`", hint="give finite numbers")
        if any(value <= 0 for value in self.std):
            raise InputError(f"`std` is `{min(self.std)}`", hint="every std must be above 0")

    def apply(self, samples: Array, shape: tuple[int | str, ...]) -> Array:
        """Samples (sample, ...), scaled to float32 if at all, laid out for a model input of `shape` (batch first)."""
        if self.layout and samples.ndim == 4 and not _fits(samples.shape[1:], shape[1:]):
            samples = samples.transpose(0, 3, 1, 2) if self.layout == "nhwc" else samples.transpose(0, 2, 3, 1)
        if self.scale == 1.0 and not self.mean and not self.std:
            return samples
        values = samples.astype(np.float32) * np.float32(self.scale)
        if self.mean:
            values = values - _per_channel(self.mean, values)
        if self.std:
            values = values / _per_channel(self.std, values)
        return values


def _fits(given: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    return len(given) == len(wanted) and all(
        length == actual or not isinstance(length, int) for length, actual in zip(wanted, given, strict=True)
    )


def _per_channel(numbers: tuple[float, ...], values: Array) -> Array:
    """`numbers` shaped to meet the channels of `values`: axis 1, else the last."""
    array = np.array(numbers, dtype=np.float32)
    if len(array) == 1:
        return array
    for axis in (1, values.ndim - 1):
        if 0 < axis < values.ndim and values.shape[axis] == len(array):
            return array.reshape([-1 if index == axis else 1 for index in range(values.ndim)])
    raise InputError(
        f"{len(numbers)} numbers in `mean` or `std`, but samples are "
        + ("x".join(str(length) for length in values.shape[1:]) or "scalar"),
        hint="give one number, or one per channel",
    )
