"""What a quantized model loses on calibration samples that were held back from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Dataset
from edgeopt.graph.batch import batch_size
from edgeopt.graph.runtime import PROVIDERS, runtime_errors
from edgeopt.graph.save import as_source
from edgeopt.steps.quantize.doubts import calibration_failure

if TYPE_CHECKING:
    import onnx

# Every second sample is held back, and at most so many. Nothing is lost by it: ranges span all samples in the end.
_HELD_BACK_SHARE = 2
_MOST_HELD_BACK = 100
_FEWEST_SAMPLES = 8
_SQUASHING = frozenset({"Softmax", "LogSoftmax", "Sigmoid"})
_IDENTICAL_DB = 150.0  # more than float32 rounding leaves
_SMALLEST_SIGNAL = 1e-30


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Calibration samples in two disjoint parts.

    Attributes:
        fit: What ranges, roundings and corrections are computed from.
        held_back: What decides which of them are kept; None where there are too few samples to spare any.
    """

    fit: Dataset
    held_back: Dataset | None

    @property
    def all(self) -> tuple[Dataset, ...]:
        """The fit, then what was held back where there is any."""
        return (self.fit,) if self.held_back is None else (self.fit, self.held_back)


def parts_of(data: Dataset) -> Parts:
    """Hold back every second sample, spread evenly; none of fewer than eight."""
    if len(data) < _FEWEST_SAMPLES:
        return Parts(fit=data, held_back=None)
    count = min(len(data) // _HELD_BACK_SHARE, _MOST_HELD_BACK)
    held_back = np.linspace(0, len(data) - 1, count).round().astype(np.int64)
    fit = np.setdiff1d(np.arange(len(data)), held_back)
    return Parts(fit=data.rows(fit), held_back=data.rows(held_back))


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well a candidate keeps the float model's answers on samples held back; means over the outputs of floats.

    Attributes:
        together_db: Signal to noise of all values together, 10 log10(sum x^2 / sum (x - x')^2): a few samples of large
            error rule it.
        samples_db: (sample,) that of each sample.
    """

    together_db: float
    samples_db: NDArray[np.float64]

    @property
    def db(self) -> float:
        """The mean of the two views, for people and to choose the best of several."""
        return (self.together_db + float(self.samples_db.mean())) / 2

    def gain_over(self, other: Score) -> float:
        """What this is better by in both views, in dB: the smaller of the two gains.

        The gain of the samples' mean counts less its standard error, so that few samples have to agree more.
        """
        if not np.isfinite(other.db) or not np.isfinite(self.db):
            return 0.0 if self.db == other.db else self.db - other.db
        gains = self.samples_db - other.samples_db
        error = gains.std(ddof=1) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
        return min(self.together_db - other.together_db, float(gains.mean() - error))


class Trial:
    """Answers of the float model on held-back samples, to hold candidates against.

    Args:
        model: The float model.
        data: The samples, at least one.
    """

    def __init__(self, model: onnx.ModelProto, data: Dataset) -> None:
        self._data = data
        self._batch, self._is_fixed = batch_size(model)
        self._outputs = _judged_outputs(model)
        self._expected = self._answers(model)

    def score(self, candidate: onnx.ModelProto) -> Score:
        """How well a candidate keeps the float model's answers.

        Integer outputs do not count. Not a number anywhere gives minus infinity.

        Raises:
            InputError: The candidate does not run.
        """
        together, apart = [], []
        for expected, given in zip(self._expected, self._answers(candidate), strict=True):
            if expected.dtype.kind == "f":
                signal, noise = _powers(expected, given)
                together.append(float(_ratio_db(signal.sum(), noise.sum())))
                apart.append(_ratio_db(signal, noise))
        if not together:
            return Score(together_db=_IDENTICAL_DB, samples_db=np.full(len(self._data), _IDENTICAL_DB))
        return Score(together_db=float(np.mean(together)), samples_db=np.mean(apart, axis=0))

    def _answers(self, model: onnx.ModelProto) -> list[NDArray[Any]]:
        session = _session(model, self._outputs)
        rows: list[list[NDArray[Any]]] = []
        left = len(self._data)
        for feeds in self._data.batches(self._batch, is_filled=self._is_fixed):
            try:
                answers = session.run(self._outputs, feeds)
            except runtime_errors() as error:
                raise calibration_failure(error, self._data) from error
            count = min(left, self._batch)
            rows.append([np.asarray(answer)[:count] if np.ndim(answer) else np.asarray(answer) for answer in answers])
            left -= count
        return [np.concatenate([np.atleast_1d(part) for part in parts]) for parts in zip(*rows, strict=True)]


def _judged_outputs(model: onnx.ModelProto) -> list[str]:
    """The outputs, or what a final softmax or sigmoid makes them from.

    A probability near 0 or 1 hardly moves, so the noise of such an output is that of the few undecided samples.
    """
    producers = {name: node for node in model.graph.node for name in node.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    names = []
    for output in model.graph.output:
        node = producers.get(output.name)
        is_squashed = node is not None and node.op_type in _SQUASHING and node.input[0] not in constants
        names.append(node.input[0] if is_squashed and node is not None else output.name)
    return names


def _session(model: onnx.ModelProto, outputs: list[str]) -> Any:
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    known = {output.name for output in model.graph.output}
    inner = [name for name in outputs if name not in known]
    if inner:
        tapped = onnx.ModelProto()
        tapped.CopyFrom(model)
        tapped.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
        model = tapped
    with as_source(model) as source:
        return onnxruntime.InferenceSession(source, options, providers=PROVIDERS, enable_fallback=0)


def _powers(expected: NDArray[Any], given: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(sample,) sums of squares of what was expected, and of what is wrong."""
    exact = expected.reshape(len(expected), -1).astype(np.float64)
    error = exact - given.reshape(len(given), -1)
    return np.einsum("sv,sv->s", exact, exact), np.einsum("sv,sv->s", error, error)


def _ratio_db(signal: Any, noise: Any) -> Any:
    """10 log10(signal / noise), at most that of float32 rounding; minus infinity where noise is not a number."""
    signal = np.maximum(signal, _SMALLEST_SIGNAL)
    floor = signal * 10 ** (-_IDENTICAL_DB / 10)
    is_finite = np.isfinite(noise)
    ratio = 10 * np.log10(signal / np.where(is_finite, np.maximum(noise, floor), 1.0))
    return np.where(is_finite, ratio, -np.inf)
