"""Placement by measurement: what costs more in int8 than in float on this machine stays float."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.core.measurement import Origin
from edgeopt.steps.quantize.placement.node_times import NodeNames, node_times
from edgeopt.steps.quantize.placement.race import Feeds, Race, race, session_of
from edgeopt.steps.quantize.scheme import Prefer
from edgeopt.units import format_seconds

if TYPE_CHECKING:
    import onnx

Build = Callable[[Mapping[str, str]], "onnx.ModelProto"]

_ROUNDS = 3
_TICK_SECONDS = 1e-6  # ONNX Runtime's profile counts whole microseconds
_LEAST_GAIN = 0.01  # of the model's time; regions that promise less are not tried
# Under `size`, weights in all nodes that go float may grow the file by this share of its weights: depthwise layers do
# not, whose kernels are the slow ones; dense layers do.
_FLOAT_WEIGHTS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementByMeasurement:
    """What was measured, and what stays float for it.

    Attributes:
        keep_float: Node name -> reason with the measured figures.
        float_seconds: Median time of the float model, in the last look.
        all_int8_seconds: Median time of the int8 model before anything was kept float, in the first look.
        seconds: Median time of the int8 model with `keep_float`, in the last look.
        is_faster: Whether that is faster than the float model, by 3 % (see `Race.is_faster`).
        rounds: Placements that were tried.
        origin: Where the times are from.
    """

    keep_float: dict[str, str] = field(default_factory=dict)
    float_seconds: float
    all_int8_seconds: float
    seconds: float
    is_faster: bool
    rounds: int
    origin: Origin = Origin.HOST

    def as_json(self) -> dict[str, Any]:
        """Keys for the record of `quantize`."""
        return {
            "float_seconds": self.float_seconds,
            "all_int8_seconds": self.all_int8_seconds,
            "seconds": self.seconds,
            "is_faster": self.is_faster,
            "rounds": self.rounds,
            "kept_float": list(self.keep_float),
            "origin": self.origin.value,
        }


def float_where_slower(
    folded: onnx.ModelProto,
    build: Build,
    feeds: Feeds,
    *,
    threads: int = 1,
    budget_seconds: float,
    prefer: Prefer = "latency",
) -> PlacementByMeasurement:
    """Find the nodes of `folded` that are better left float on this machine, by running what `build` makes.

    ONNX Runtime's profile of the float and of the int8 model tells the time of each node, with the rounding at its
    borders. Neighbouring nodes that take longer in int8 form a region. The regions are tried float, all of them and the
    largest alone; the better one counts if the whole model gets faster by 3 %, in a second look with new sessions too.
    Then the profile is taken again, up to three times.

    Args:
        folded: The float model that `build` starts from, its nodes named.
        build: Makes the int8 model in which the nodes named, each with a reason, stay float.
        feeds: One batch of inputs.
        threads: Threads per inference.
        budget_seconds: No further placement is tried once it is spent; one that is being tried is finished.
        prefer: Under `size`, only nodes whose weights do not matter for the size of the file may go float.
    """
    search = _Search(folded, build, feeds, threads=threads, budget_seconds=budget_seconds, prefer=prefer)
    return search.run()


class _Search:
    """One search: the best placement so far, and the models that go with it."""

    def __init__(
        self,
        folded: onnx.ModelProto,
        build: Build,
        feeds: Feeds,
        *,
        threads: int,
        budget_seconds: float,
        prefer: Prefer,
    ) -> None:
        self._folded, self._build, self._feeds = folded, build, feeds
        self._threads, self._budget, self._prefer = threads, budget_seconds, prefer
        self._end = time.perf_counter() + budget_seconds
        self._names = NodeNames(folded.graph)
        self._keep: dict[str, str] = {}
        self._best = build({})
        self._tried = 0

    def run(self) -> PlacementByMeasurement:
        """Rounds until nothing gains, or the budget is spent."""
        first = self._race(self._folded, self._best)
        in_float = self._times(self._folded)
        for _ in range(_ROUNDS):
            if not self._has_time() or not self._improve(in_float):
                break
        last = self._race(self._folded, self._best) if self._keep else first
        return PlacementByMeasurement(
            keep_float=self._keep,
            float_seconds=last.median(0),
            all_int8_seconds=first.median(1),
            seconds=last.median(1),
            is_faster=last.is_faster(1, 0),
            rounds=self._tried,
        )

    def _improve(self, in_float: Mapping[str, float]) -> bool:
        """Whether one of the regions, all of them or the largest, makes the model faster; it is kept float then."""
        regions = self._regions(in_float, self._times(self._best))
        if not regions or not self._has_time():
            return False
        together = {name: why for region in regions for name, why in region.items()}
        choices = [{**self._keep, **region} for region in ([together, regions[0]] if len(regions) > 1 else [together])]
        models = [self._build(keep) for keep in choices]
        self._tried += len(models)
        look = self._race(self._best, *models)
        index = min(range(len(models)), key=lambda number: look.ratio(number + 1, 0))
        if not look.is_faster(index + 1, 0) or not self._race(self._best, models[index]).is_faster(1, 0):
            return False
        self._keep, self._best = choices[index], models[index]
        return True

    def _regions(self, in_float: Mapping[str, float], in_int8: Mapping[str, float]) -> list[dict[str, str]]:
        """Connected nodes that take longer in int8, with the reason of each; the largest gain first."""
        gains = {
            name: in_int8[name] - in_float[name]
            for name in self._allowed() & in_integers(self._best.graph)
            if name in in_int8 and name in in_float and in_int8[name] - in_float[name] > _TICK_SECONDS
        }
        least = _LEAST_GAIN * sum(in_int8.values())
        found = [region for region in _connected(self._folded.graph, gains) if sum(gains[n] for n in region) >= least]
        found.sort(key=lambda region: -sum(gains[name] for name in region))
        return [{name: _reason(in_int8[name], in_float[name]) for name in region} for region in found]

    def _allowed(self) -> set[str]:
        """Nodes that may go float: all of them, or those whose weights hardly count in the size."""
        weights = _weight_bytes(self._folded.graph)
        if self._prefer == "latency":
            return set(weights) - set(self._keep)
        room = _FLOAT_WEIGHTS * sum(weights.values()) - sum(weights[name] for name in self._keep)
        allowed = set()
        for name in sorted(weights, key=weights.__getitem__):
            room -= weights[name]
            if room >= 0 and name not in self._keep:
                allowed.add(name)
        return allowed

    def _race(self, *models: onnx.ModelProto) -> Race:
        """A race of models in new sessions: how memory happens to lie is part of the noise."""
        sessions = [session_of(model, threads=self._threads) for model in models]
        return race(sessions, self._feeds, budget_seconds=self._budget / 20)

    def _times(self, model: onnx.ModelProto) -> dict[str, float]:
        return node_times(model, self._names, self._feeds, threads=self._threads, budget_seconds=self._budget / 20)

    def _has_time(self) -> bool:
        return time.perf_counter() < self._end


def in_integers(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that read dequantized weights, or without weights a tensor dequantized by one scale.

    A float node behind a pair reads it by a scale per channel (`shield.py`).
    """
    lengths = {tensor.name: int(np.prod(tensor.dims, dtype=np.int64)) for tensor in graph.initializer}
    scales = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "DequantizeLinear"}
    stored = {node.output[0] for node in graph.node if node.output[0] in scales and node.input[0] in lengths}
    found = set()
    for node in graph.node:
        read = [name for name in node.input if name in scales]
        weights = [name for name in read if name in stored]
        is_weighted = node.op_type in ("Conv", "ConvTranspose", "Gemm")
        if weights or (not is_weighted and read and lengths.get(scales[read[0]]) == 1):
            found.add(node.name or node.output[0])
    return found


def _connected(graph: onnx.GraphProto, names: Mapping[str, float]) -> list[list[str]]:
    """`names` in groups, in which each node reads what another one writes, a clamp between them or not."""
    group = {name: name for name in names}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    writer: dict[str, str] = {}
    for node in graph.node:
        name = node.name or node.output[0]
        sources = {writer[given] for given in node.input if given in writer}
        if name in names:
            for source in sources:
                group[root(name)] = root(source)
            writer.update(dict.fromkeys(node.output, name))
        elif node.op_type in ("Relu", "Clip") and sources:
            writer.update(dict.fromkeys(node.output, next(iter(sources))))
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(root(name), []).append(name)
    return list(groups.values())


def _weight_bytes(graph: onnx.GraphProto) -> dict[str, int]:
    """Bytes of constants that each node reads, by name."""
    sizes = {tensor.name: 4 * int(np.prod(tensor.dims, dtype=np.int64)) for tensor in graph.initializer}
    return {node.name or node.output[0]: sum(sizes.get(name, 0) for name in node.input) for node in graph.node}


def _reason(int8_seconds: float, float_seconds: float) -> str:
    taken, instead = format_seconds(int8_seconds), format_seconds(float_seconds)
    return f"measured here, it takes {taken} in int8 and {instead} in float ({Origin.HOST.value})"
