"""TfIdfVectorizer of numbers: how often each group of tokens occurs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.joining import joined
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node


def tf_idf_vectorizer(node: Node, net: Lowering) -> None:
    """TfIdfVectorizer: every group is compared with every window of tokens.

    A group of n tokens is looked for at n places that lie d apart, d = 1 to `max_skip_count` + 1; one token alone is
    counted once (https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html).
    """
    if not node.attribute("pool_int64s"):
        raise Refused("counts groups of words, for which TFLite has no kernel", rewrite="numbers in place of the words")
    tokens = net.tensor(node.input(0))
    is_row = len(tokens.shape) == 1
    rows = net.reshape(tokens, (1, *tokens.shape)) if is_row else tokens
    places = [int(each) for each in node.attribute("ngram_indexes")]
    if len(set(places)) < len(places):
        raise Refused("counts several groups in one place")
    counts = [_counts(net, rows, groups, steps) for groups, steps in _groups(node)]
    batch, known = rows.shape[0], len(places)
    none = net.new_constant(np.zeros((batch, 1), np.int32), name="none")
    every = joined(net, [*counts, none], 1, (batch, known + 1))
    order = np.full(max(places) + 1, known, np.int32)  # an output that no group has is 0
    order[places] = np.arange(known)
    index = net.new_constant(order, name="groups")
    made = net.add("GATHER", (every, index), (batch, len(order)), options=options("GatherOptions", axis=1))
    result = _weighted(node, net, made, places)
    net.bind(node.output(0), net.reshape(result, result.shape[1:]) if is_row else result)


def _groups(node: Node) -> Iterator[tuple[NDArray[Any], list[int]]]:
    """((group, token) of each length in the pool, distances at which they count)."""
    pool = np.array(node.attribute("pool_int64s"), np.int64)
    starts = [int(each) for each in node.attribute("ngram_counts")]
    shortest, longest = int(node.attribute("min_gram_length")), int(node.attribute("max_gram_length"))
    distances = list(range(1, int(node.attribute("max_skip_count")) + 2))
    for place, (start, end) in enumerate(zip(starts, [*starts[1:], len(pool)], strict=True)):
        length = place + 1
        counted = distances if shortest <= length <= longest else []
        if end > start:
            yield pool[start:end].reshape(-1, length), counted[:1] if length == 1 else counted


def _counts(net: Lowering, rows: Tensor, groups: NDArray[Any], distances: list[int]) -> Tensor:
    """(batch, group) int32: how often each group occurs in each row."""
    batch, length = rows.shape
    total = net.new_constant(np.zeros((batch, len(groups)), np.int32), name="none")
    for distance in distances:
        windows = length - (groups.shape[1] - 1) * distance
        if windows <= 0:
            continue
        found = _sum(net, _matches(net, rows, groups, distance, windows))
        is_first = total.data is not None
        total = found if is_first else net.add("ADD", (total, found), found.shape, options=options("AddOptions"))
    return total


def _matches(net: Lowering, rows: Tensor, groups: NDArray[Any], distance: int, windows: int) -> Tensor:
    """(batch, window, group) bool: whether the tokens of each window are those of each group."""
    batch, count = rows.shape[0], len(groups)
    shape = (batch, windows, count)
    size = net.new_constant(np.array([batch, windows], np.int32), name="size")
    matches: Tensor | None = None
    for place in range(groups.shape[1]):
        begin = net.new_constant(np.array([0, place * distance], np.int32), name="begin")
        part = net.add("SLICE", (rows, begin, size), (batch, windows), options=options("SliceOptions"))
        wanted = net.new_constant(groups[:, place].reshape(1, 1, -1).astype(rows.dtype), name="groups")
        inputs = (net.reshape(part, (batch, windows, 1)), wanted)
        same = net.add("EQUAL", inputs, shape, dtype="bool", options=options("EqualOptions"))
        both = options("LogicalAndOptions")
        matches = same if matches is None else net.add("LOGICAL_AND", (matches, same), shape, options=both)
    assert matches is not None
    return matches


def _sum(net: Lowering, matches: Tensor) -> Tensor:
    axes = net.new_constant(np.array([1], np.int32), name="axes")
    shape = (matches.shape[0], matches.shape[2])
    return net.add("SUM", (net.cast(matches, "int32"), axes), shape, options=options("ReducerOptions", keepDims=False))


def _weighted(node: Node, net: Lowering, counts: Tensor, places: list[int]) -> Tensor:
    """Counts, whether there are any, or both, times the weight of each group."""
    mode, given = node.attribute("mode"), node.attribute("weights")
    if mode == "IDF":
        one = net.new_constant(np.array(1, np.int32), name="one")
        counts = net.add("MINIMUM", (counts, one), counts.shape, options=options("MaximumMinimumOptions"))
    result = net.cast(counts, "float32")
    if mode == "TF" or not given:
        return result
    if places != list(range(len(given))):  # runtimes differ in whether weights go by group or by output
        raise Refused("weighs groups that are not in the order of the outputs")
    weights = net.new_constant(np.array(given, np.float32).reshape(1, -1), name="weights")
    return net.add("MUL", (result, weights), result.shape, options=options("MulOptions"))
