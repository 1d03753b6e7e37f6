"""Observations kept in a file, with what they were taken from: of another model or other samples they are refused.

A file is a compressed `.npz`. Its `header` is JSON: `schema`, the key, `samples`, one entry per tensor and one per
tensor of channels; the arrays hold counts and figures per channel of all of them, one after the other.

Schema history: 1 is the first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.core.dataset import Array, Dataset
from edgeopt.core.files import replacing, require_regular_file
from edgeopt.data.npz import ARCHIVE_ERRORS
from edgeopt.errors import InputError
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.observation.histogram import Histogram
from edgeopt.steps.quantize.observation.observations import ChannelStatistics, Observations, TensorStatistics
from edgeopt.steps.quantize.observation.observe import observe

if TYPE_CHECKING:
    import onnx

SCHEMA = 1
_DIGEST_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationKey:
    """What observations depend on, each as a SHA-256 digest in hexadecimal.

    Attributes:
        model: The model that ran.
        data: All samples, as the model is fed with them.
        asked: Which tensors and channels were observed, and whether their values were counted.
    """

    model: str
    data: str
    asked: str

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, in hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


def observation_key(
    model: onnx.ModelProto,
    tensors: Iterable[str],
    data: Dataset,
    *,
    histograms: bool = False,
    channels: Mapping[str, int] | None = None,
) -> ObservationKey:
    """The key of what `observe` gives for the same arguments."""
    samples = hashlib.sha256()
    for feeds in data.batches(_DIGEST_BATCH):
        for name, array in sorted(feeds.items()):
            samples.update(repr((name, array.dtype.str, array.shape)).encode())
            samples.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    asked = json.dumps([sorted(set(tensors)), histograms, sorted((channels or {}).items())])
    return ObservationKey(
        model=hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest(),
        data=samples.hexdigest(),
        asked=hashlib.sha256(asked.encode()).hexdigest(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptObservations:
    """Observations taken from a folder where the same were made before, and kept there otherwise.

    Attributes:
        folder: Where a file per key lies; None observes and keeps nothing.
    """

    folder: Path | None = None

    def observe(
        self,
        model: onnx.ModelProto,
        tensors: Iterable[str],
        data: Dataset,
        *,
        histograms: bool = False,
        channels: Mapping[str, int] | None = None,
        progress: Progress | None = None,
    ) -> Observations:
        """What `observe` gives for the same arguments.

        Raises:
            InputError: The model fails on the samples, or a file of the folder cannot be read or written.
        """
        names = list(tensors)
        if self.folder is None:
            return observe(model, names, data, histograms=histograms, channels=channels, progress=progress)
        key = observation_key(model, names, data, histograms=histograms, channels=channels)
        path = self.folder / f"{key.digest[:32]}.npz"
        if path.exists():
            return read_observations(path, key)
        found = observe(model, names, data, histograms=histograms, channels=channels, progress=progress)
        _make(self.folder)
        write_observations(path, found, key)
        return found


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder `{folder}` for statistics cannot be made: {error.strerror}", hint="name another one"
        ) from error


def write_observations(path: Path, observations: Observations, key: ObservationKey) -> None:
    """Write a file of observations, whole or not at all; one that is there is replaced.

    Raises:
        InputError: The disk refuses.
    """
    seen, channels = observations.tensors.values(), observations.channels.values()
    header = {
        "schema": SCHEMA,
        "key": asdict(key),
        "samples": observations.samples,
        "tensors": [_tensor_entry(name, statistics) for name, statistics in observations.tensors.items()],
        "channels": [
            {"name": name, "length": len(statistics.low), "rows": statistics.rows}
            for name, statistics in observations.channels.items()
        ],
    }
    counts = [statistics.histogram.counts for statistics in seen if statistics.histogram is not None]
    with replacing(path, force=True) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            header=np.array(json.dumps(header)),
            counts=_joined(counts, np.int64),
            low=_joined([statistics.low for statistics in channels], np.float32),
            high=_joined([statistics.high for statistics in channels], np.float32),
            total=_joined([statistics.total for statistics in channels], np.float64),
        )


def read_observations(path: Path, key: ObservationKey) -> Observations:
    """The observations in a file that `write_observations` wrote.

    Raises:
        InputError: There is no such file, it is damaged, or `key` is not that of its observations.
    """
    require_regular_file(path, what="observations")
    hint = "delete it, or name another file: it is written anew"
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            header = json.loads(str(archive["header"]))
            if header["schema"] != SCHEMA:
                raise InputError(f"`{path}` is written in schema `{header['schema']}`, not {SCHEMA}", hint=hint)
            _require_key(path, header["key"], key, hint)
            return _observations(header, archive)
    except (*ARCHIVE_ERRORS, AttributeError, TypeError) as error:
        raise InputError(f"`{path}` holds no observations that can be read: {error}", hint=hint) from error


def _require_key(path: Path, found: dict[str, str], key: ObservationKey, hint: str) -> None:
    meanings = {"model": "another model", "data": "other samples", "asked": "other tensors"}
    stale = [meaning for name, meaning in meanings.items() if found[name] != getattr(key, name)]
    if stale:
        raise InputError(f"`{path}` holds observations of {' and of '.join(stale)}", hint=hint)


def _tensor_entry(name: str, statistics: TensorStatistics) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "low": statistics.low, "high": statistics.high}
    if statistics.histogram is not None:
        histogram = statistics.histogram
        entry |= {"exponent": histogram.exponent, "first": histogram.first, "bins": len(histogram.counts)}
    return entry


def _observations(header: dict[str, Any], arrays: Mapping[str, Array]) -> Observations:
    counts, tensors, start = arrays["counts"], {}, 0
    for entry in header["tensors"]:
        histogram = _histogram(entry, counts[start : start + entry.get("bins", 0)]) if "bins" in entry else None
        start += entry.get("bins", 0)
        tensors[entry["name"]] = TensorStatistics(low=entry["low"], high=entry["high"], histogram=histogram)
    figures, channels, start = {name: arrays[name] for name in ("low", "high", "total")}, {}, 0
    for entry in header["channels"]:
        part = slice(start, start + entry["length"])
        start += entry["length"]
        own = {name: array[part] for name, array in figures.items()}
        channels[entry["name"]] = ChannelStatistics(**own, rows=entry["rows"])
    return Observations(tensors=tensors, channels=channels, samples=header["samples"])


def _histogram(entry: dict[str, Any], counts: Array) -> Histogram:
    if len(counts) != entry["bins"]:
        raise ValueError("counts are missing")
    histogram = Histogram()
    histogram.low, histogram.high = entry["low"], entry["high"]
    histogram.exponent, histogram.first, histogram.counts = entry["exponent"], entry["first"], counts.copy()
    return histogram


def _joined(arrays: list[Any], dtype: type) -> Array:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=dtype)
