"""Seconds that each node takes, from ONNX Runtime's own profile, told by the nodes of the graph before its rewrites."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.steps.quantize.placement.race import Feeds, session_of

if TYPE_CHECKING:
    import onnx

_FEWEST_CALLS, _MOST_CALLS = 5, 100
_BORDERS = ("QuantizeLinear", "DequantizeLinear")
# What ONNX Runtime puts behind the name of a node that it rewrites: numbers of copies, and the names of its fusions.
_ENDINGS = re.compile(r"(_token_\d+|_nchwc|_dq|_q|_QuantizeLinear|_DequantizeLinear)$")


def node_times(
    model: onnx.ModelProto, names: NodeNames, feeds: Feeds, *, threads: int, budget_seconds: float
) -> dict[str, float]:
    """Seconds per call of each node that can be told from the profile.

    A QuantizeLinear counts to the nodes that read its tensor, in equal parts; a DequantizeLinear to the node that
    writes it: neither would be there if that node were float.

    Args:
        model: The model to run, float or quantized.
        names: Of the graph that both were made from.
        feeds: One batch of inputs.
        threads: Threads per inference.
        budget_seconds: Calls end when it is spent, but not before there are 5.
    """
    seconds: defaultdict[str, float] = defaultdict(float)
    for name, operator, taken in _profile(model, feeds, threads, budget_seconds):
        for node in (owners := names.owners(name, operator)):
            seconds[node] += taken / len(owners)
    return dict(seconds)


class NodeNames:
    """Names of nodes and tensors of one graph, by which nodes of its rewritten copies are recognized."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._nodes = {node.name for node in graph.node if node.name}
        self._writer: dict[str, onnx.NodeProto] = {name: node for node in graph.node for name in node.output if name}
        self._readers: defaultdict[str, list[str]] = defaultdict(list)
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self._readers[name].append(node.name or node.output[0])

    def owners(self, name: str, operator: str) -> list[str]:
        """The nodes that a node of a rewritten graph stands for; none where it cannot be told."""
        if operator in _BORDERS:
            tensor = self._tensor(name)
            if not tensor:
                return []
            return self._readers[tensor] if operator == "QuantizeLinear" else self._written(tensor)
        for shorter in _shortened(name):
            if shorter in self._nodes:
                return [shorter]
            if shorter in self._writer:
                return self._written(shorter)
        return []

    def _tensor(self, name: str) -> str:
        known = (shorter for shorter in _shortened(name) if shorter in self._writer or shorter in self._readers)
        return next(known, "")

    def _written(self, tensor: str) -> list[str]:
        """The node that writes a tensor; before a clamp, which is merged into it, the node that the clamp reads."""
        node = self._writer.get(tensor)
        while node is not None and node.op_type in ("Relu", "Clip") and node.input[0] in self._writer:
            node = self._writer[node.input[0]]
        return [node.name or node.output[0]] if node is not None else []


def _shortened(name: str) -> Iterator[str]:
    """A name, without what ONNX Runtime put behind it, one ending after the other."""
    yield name
    while (match := _ENDINGS.search(name)) is not None:
        name = name[: match.start()]
        yield name
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _profile(
    model: onnx.ModelProto, feeds: Feeds, threads: int, budget_seconds: float
) -> Iterable[tuple[str, str, float]]:
    """Name, operator and seconds per call of each node after all rewrites.

    Of the calls, the slowest quarter is left out, which others disturbed.
    """
    with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
        session = session_of(
            model, threads=threads, enable_profiling=True, profile_file_prefix=str(Path(folder, "profile"))
        )
        end = time.perf_counter() + budget_seconds
        for count in range(_MOST_CALLS):
            session.run(None, dict(feeds))
            if count >= _FEWEST_CALLS and time.perf_counter() > end:
                break
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_bytes())
    durations: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            key = event["name"].removesuffix("_kernel_time"), event["args"]["op_name"]
            durations[key].append(event["dur"])
    return [(*key, _typical(taken) * 1e-6) for key, taken in durations.items()]


def _typical(durations: list[int]) -> float:
    ordered = np.sort(np.array(durations[1:] or durations, dtype=np.float64))
    return float(ordered[: max(1, len(ordered) * 3 // 4)].mean())
