"""What is done to raw samples before the model sees them: `(x * scale - mean) / std`, and the layout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeopt.core.dataset import Array
from edgeopt.errors import InputError

Layout = Literal["nchw", "nhwc"]
_IMAGE_RANK = 4
# layout of the data -> the axes that bring it to the other
_TO_MODEL: dict[Layout, tuple[int, ...]] = {"nhwc": (0, 3, 1, 2), "nchw": (0, 2, 3, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """`[preprocess]` of edgeopt.toml, or `--scale`, `--mean`, `--std` and `--layout`.

    Attributes:
        scale: Factor on raw values, applied first; 1/255 brings bytes to [0, 1].
        mean: Subtracted after scaling: one number, or one per channel.
        std: Divides last: one positive number, or one per channel.
        layout: Layout of the *data*: `nhwc` samples are transposed for an NCHW model and the other way round.
            Without one, images that do not fit are transposed where only one of the two makes them fit.
    """

    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: Layout | None = None

    def __post_init__(self) -> None:
        for name, values in (("scale", (self.scale,)), ("mean", self.mean), ("std", self.std)):
            strange = [value for value in values if not math.isfinite(value)]
            if strange:
                raise InputError(f"`{name}` is `{strange[0]}`", hint="give finite numbers")
        if any(value <= 0 for value in self.std):
            raise InputError(f"`std` is `{min(self.std)}`", hint="every std must be above 0")

    def apply(self, samples: Array, shape: tuple[int | str, ...]) -> Array:
        """Samples (sample, ...), scaled to float32 if at all, laid out for a model input of `shape` (batch first)."""
        layout = self.layout or _only(fitting_layouts(samples.shape[1:], shape[1:]))
        if layout and samples.ndim == _IMAGE_RANK and not _fits(samples.shape[1:], shape[1:]):
            samples = samples.transpose(_TO_MODEL[layout])
        if self.scale == 1.0 and not self.mean and not self.std:
            return samples
        values = samples.astype(np.float32) * np.float32(self.scale)
        if self.mean:
            values = values - _per_channel(self.mean, values)
        if self.std:
            values = values / _per_channel(self.std, values)
        return values


def fitting_layouts(given: tuple[int, ...], wanted: tuple[int | str, ...]) -> tuple[Layout, ...]:
    """The layouts that images of shape `given` may have, where their transpose has the shape that is wanted."""
    if len(given) != _IMAGE_RANK - 1:
        return ()
    turned = {layout: tuple(given[axis - 1] for axis in axes[1:]) for layout, axes in _TO_MODEL.items()}
    return tuple(layout for layout, shape in turned.items() if _fits(shape, wanted))


def _only(layouts: tuple[Layout, ...]) -> Layout | None:
    """The layout, where the shape leaves no doubt about it."""
    return layouts[0] if len(layouts) == 1 else None


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
