"""What makes ranges of activations doubtful: samples that are all zero, a single one, tensors that never move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edgeopt.core.dataset import Dataset
from edgeopt.data.bind import SYNTHETIC
from edgeopt.errors import InputError
from edgeopt.graph.runtime import RUNTIME_HINT, first_line

_BATCH = 16


class HasRange(Protocol):
    """The range of a tensor over all calibration samples."""

    @property
    def low(self) -> float:
        """Smallest value."""
        ...

    @property
    def high(self) -> float:
        """Largest value."""
        ...


def calibration_doubts(data: Dataset, ranges: Mapping[str, HasRange]) -> tuple[str, ...]:
    """Warnings about the samples that `ranges` were taken from.

    Args:
        data: Calibration samples.
        ranges: Range per tensor that gets a scale.
    """
    doubts = []
    if _is_all_zero(data):
        doubts.append(
            f"ALL CALIBRATION SAMPLES ARE ZERO in `{data.source}`: the ranges of {len(ranges)} tensors mean nothing "
            "and the model will clip real inputs; was the preprocessing right? give real samples with `--data`"
        )
    elif len(data) == 1:
        doubts.append(
            "ranges rest on a single sample: other inputs may be clipped; some 100 to 200 samples are a good number"
        )
    still = [name for name, found in ranges.items() if found.low == found.high == 0.0]
    if still and not doubts:
        doubts.append(
            f"{len(still)} of {len(ranges)} tensors are zero on every calibration sample, the first is `{still[0]}`: "
            "either the layers before them are dead, or the samples are not what the model was trained on"
        )
    return tuple(doubts)


def _is_all_zero(data: Dataset) -> bool:
    """Whether there are inputs of floats and all of them are zero; read in batches, up to the first that is not."""
    floats = [name for name, array in data.inputs.items() if array.dtype.kind == "f"]
    return bool(floats) and not any(feeds[name].any() for feeds in data.batches(_BATCH) for name in floats)


def calibration_failure(error: BaseException, data: Dataset) -> InputError:
    """What is said when the runtime fails on the samples of `data`: random ones do not suit every model."""
    if data.digest or data.source != SYNTHETIC:
        return InputError(f"ONNX Runtime failed on calibration data: {first_line(error)}", hint=RUNTIME_HINT)
    return InputError(
        f"the model does not run on random inputs, with 1 for every free axis: {first_line(error)}",
        hint="give it real samples with `--data`",
    )
