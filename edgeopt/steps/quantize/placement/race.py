"""Models timed against each other in this process, by turns: which is faster, and is it by more than the noise?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.errors import InputError
from edgeopt.graph.runtime import PROVIDERS, RUNTIME_HINT, first_line, runtime_errors

if TYPE_CHECKING:
    import onnx

Feeds = Mapping[str, NDArray[Any]]

MARGIN = 1.03  # a ratio of times that another look gives again; A/A pairs on a shared machine stay within 1.02
# Blocks are short, so that a time slice that others take falls on few of them, and those are outliers.
_BLOCK_SECONDS = 0.0003
_FEWEST_ROUNDS, _MOST_ROUNDS = 9, 500


@dataclass(frozen=True, slots=True)
class Race:
    """Seconds per call of several models: `seconds` (model, round) float64; in one round all ran back to back."""

    seconds: NDArray[np.float64]

    def median(self, model: int) -> float:
        """Median seconds per call of a model."""
        return float(np.median(self.seconds[model]))

    def quick(self, model: int) -> float:
        """Seconds per call that a model needs undisturbed: the upper end of its fastest quarter of rounds."""
        return float(np.quantile(self.seconds[model], 0.25))

    def ratio(self, slower: int, faster: int) -> float:
        """Median over rounds of the time of `slower` over that of `faster`, each pair from one round."""
        return float(np.median(self.seconds[slower] / self.seconds[faster]))

    def is_faster(self, model: int, than: int, *, margin: float = MARGIN) -> bool:
        """Whether `model` takes less time by `margin`, in the median of rounds and undisturbed alike."""
        return self.ratio(than, model) >= margin and self.quick(than) / self.quick(model) >= margin


def session_of(model: onnx.ModelProto, *, threads: int, **options: Any) -> Any:
    """A session of ONNX Runtime with all of its rewrites.

    Args:
        model: The model, below 2 GiB.
        threads: Threads per inference.
        **options: Further attributes of SessionOptions.

    Raises:
        InputError: ONNX Runtime does not take the model.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 4
    for key, value in options.items():
        setattr(settings, key, value)
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=PROVIDERS, enable_fallback=0)
    except runtime_errors() as error:
        raise InputError(
            f"ONNX Runtime does not take a model to time: {first_line(error)}", hint=RUNTIME_HINT
        ) from error


def race(sessions: Sequence[Any], feeds: Feeds, *, budget_seconds: float) -> Race:
    """Time sessions by turns, the order reversed from round to round.

    Args:
        sessions: At least one.
        feeds: One batch of inputs.
        budget_seconds: Rounds end when it is spent, but not before there are 9.
    """
    calls = [max(1, round(_BLOCK_SECONDS / _seconds(session, feeds, 1))) for session in sessions]
    for session, count in zip(sessions, calls, strict=True):
        _seconds(session, feeds, count)
    rounds: list[list[float]] = []
    end = time.perf_counter() + budget_seconds
    while len(rounds) < _FEWEST_ROUNDS or (len(rounds) < _MOST_ROUNDS and time.perf_counter() < end):
        order = range(len(sessions)) if len(rounds) % 2 else reversed(range(len(sessions)))
        timed = {index: _seconds(sessions[index], feeds, calls[index]) for index in order}
        rounds.append([timed[index] for index in range(len(sessions))])
    return Race(np.array(rounds, dtype=np.float64).T)


def _seconds(session: Any, feeds: Feeds, calls: int) -> float:
    """Seconds per call over `calls` in a row."""
    inputs = dict(feeds)
    start = time.perf_counter()
    for _ in range(calls):
        session.run(None, inputs)
    return (time.perf_counter() - start) / calls
