"""Networks of NAS-Bench-201 (arXiv 2001.00326) as kernels: 15 cells of one kind in three widths, on 32 x 32 images.

A cell has four nodes; an edge from node i to node j holds one of five operators, and a node is the sum of its edges.
Operators whose result nothing reads are left out, as a converter does. An operator fed with nothing but zeros is
counted: whether the measured file still held it is not recorded.
"""

from __future__ import annotations

from estimates.networks import Network

_STAGES = ((16, 32), (32, 16), (64, 8))  # channels, side
_CELLS = 5  # of each stage
NONE, SKIP, POOL = "none", "skip_connect", "avg_pool_3x3"
_WINDOWS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}

Edges = dict[tuple[int, int], str]


def edges_of(text: str) -> Edges:
    """Operator per edge of `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|`."""
    found: Edges = {}
    for node, part in enumerate(text.split("+"), start=1):
        for edge in part.strip("|").split("|"):
            operator, _, source = edge.rpartition("~")
            found[int(source), node] = operator
    return found


def windows_in(edges: Edges) -> int:
    """How many 3x3 convolutions a cell holds, dead or alive: the family of a network in the hold-out."""
    return sum(operator == "nor_conv_3x3" for operator in edges.values())


def is_connected(edges: Edges) -> bool:
    """Whether the cell's output depends on its input; the measured figure of another is that of no network."""
    reached = {0}
    for node in (1, 2, 3):
        if any(edges[source, node] != NONE and source in reached for source in range(node)):
            reached.add(node)
    return 3 in reached


def has_dead_operators(edges: Edges) -> bool:
    """Whether an operator is fed with zeros alone, or nothing reads what it gives."""
    fed, read = {0}, {3}
    for node in (1, 2, 3):
        if any(edges[source, node] != NONE and source in fed for source in range(node)):
            fed.add(node)
    for node in (2, 1, 0):
        if any(edges[node, later] != NONE and later in read for later in range(node + 1, 4)):
            read.add(node)
    alive = ((source in fed and node in read) for (source, node), operator in edges.items() if operator != NONE)
    return not all(alive)


def computation_of(edges: Edges) -> str:
    """What a cell computes, written the same however its nodes are numbered."""
    nodes = {0: "x"}
    for node in (1, 2, 3):
        parts = [
            nodes[source] if edges[source, node] == SKIP else f"{edges[source, node]}({nodes[source]})"
            for source in range(node)
            if edges[source, node] != NONE and source in nodes
        ]
        if parts:
            nodes[node] = "(" + "+".join(sorted(parts)) + ")"
    return nodes.get(3, "")


def network_of(edges: Edges) -> Network:
    """All kernels of the network with that cell."""
    needed = {3}
    for node in (2, 1, 0):
        if any(edges[node, later] != NONE and later in needed for later in range(node + 1, 4)):
            needed.add(node)
    net = Network(32)
    net.convolve(16, 3)
    for number, (channels, _) in enumerate(_STAGES):
        if number:
            _reduction(net, channels)
        for _ in range(_CELLS):
            _cell(net, edges, needed)
    net.pool()
    net.dense(10)
    return net


def _cell(net: Network, edges: Edges, needed: set[int]) -> None:
    for node in sorted(needed - {0}):
        inputs = [edges[source, node] for source in range(node) if edges[source, node] != NONE]
        for operator in inputs:
            if operator in _WINDOWS:
                net.convolve(net.channels, _WINDOWS[operator])
            elif operator == POOL:
                net.pool(3)
        for _ in inputs[1:]:
            net.elementwise(2)


def _reduction(net: Network, channels: int) -> None:
    """A residual block that halves the side: two convolutions, and a pooling and a 1x1 convolution beside them."""
    before = net.side, net.width, net.channels
    net.convolve(channels, 3, 2)
    net.convolve(channels, 3)
    net.side, net.width, net.channels = before
    net.pool(2, 2)
    net.convolve(channels, 1)
    net.elementwise(2)
