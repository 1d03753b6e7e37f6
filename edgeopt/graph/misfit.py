"""Operators that a target does not take well, and those of an ONNX model that ONNX Runtime lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeopt.graph.subgraphs import subgraphs

if TYPE_CHECKING:
    import onnx

# Domains whose operators come with ONNX Runtime (onnxruntime/core/graph/constants.h).
_KNOWN_DOMAINS = frozenset(
    {
        *("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training"),
        *("com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Operators of one kind that a target does not take well.

    Attributes:
        operator: As `inspect` counts it: `CONV_2D`, `custom.NAME`, `Conv`, `DOMAIN.NAME`.
        count: How many of them.
        reason: What is wrong with them.
    """

    operator: str
    count: int
    reason: str


def lacking_in_onnxruntime(model: onnx.ModelProto) -> tuple[Misfit, ...]:
    """Operators of domains that ONNX Runtime has only where a library of the user's own registers them."""
    defined = {(function.domain, function.name) for function in model.functions}
    nodes = [*_nodes(model.graph.node), *(node for one in model.functions for node in _nodes(one.node))]
    foreign = [
        f"{node.domain}.{node.op_type}"
        for node in nodes
        if node.domain not in _KNOWN_DOMAINS and (node.domain, node.op_type) not in defined
    ]
    reason = "ONNX Runtime has no such operator of its own"
    return tuple(Misfit(operator=name, count=count, reason=reason) for name, count in Counter(foreign).items())


def _nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """All nodes, in branches and loops too, in any order."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        pending += [inner for graph in subgraphs(node) for inner in graph.node]
