"""ScatterElements and ScatterND: values with some of them replaced, or brought together with updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.carrying import carried, carried_view
from edgeopt.steps.tflite.families.gathering import flat_places
from edgeopt.steps.tflite.families.indices import computed_indices, constant_indices, strides_of
from edgeopt.steps.tflite.families.joining import joined
from edgeopt.steps.tflite.families.types import narrowed, ordered, unordered, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

_MOST_PAIRS = 1 << 24  # of (place, update) that a product or an extreme compares: 64 MiB of them
_INT32_MOST = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reduction:
    """How updates of one place come together where TFLite has no scattering kernel for it.

    Attributes:
        along: Kernel that reduces an axis.
        pair: Kernel that takes two.
    """

    along: str
    pair: str


_REDUCTIONS: Mapping[str, _Reduction] = {
    "mul": _Reduction(along="REDUCE_PROD", pair="MUL"),
    "max": _Reduction(along="REDUCE_MAX", pair="MAXIMUM"),
    "min": _Reduction(along="REDUCE_MIN", pair="MINIMUM"),
}
_TABLES = {"MUL": "MulOptions", "MAXIMUM": "MaximumMinimumOptions", "MINIMUM": "MaximumMinimumOptions"}


def scatter_elements(node: Node, net: Lowering) -> None:
    """ScatterElements and Scatter: rows of one value each of the flat data."""
    view, updates = of_one_type(net, node.input(0), node.input(2), moves=_moves(node))
    view = replace(view, tensor=net.laid(view), axes=tuple(range(view.rank)))
    axis = int(node.attribute("axis", 0)) % view.rank
    places = flat_places(net, view, node.input(1), axis=axis, order=view.axes)
    _scattered(node, net, view, updates, net.reshape(places, (places.elements,)), count=view.tensor.elements)


def scatter_nd(node: Node, net: Lowering) -> None:
    """ScatterND: rows of the data, whose leading axes are one."""
    view, updates = of_one_type(net, node.input(0), node.input(2), moves=_moves(node))
    view = replace(view, tensor=net.laid(view), axes=tuple(range(view.rank)))
    depth = net.shape(node.input(1))[-1]
    lengths, count = view.shape[:depth], int(np.prod(view.shape[:depth], dtype=np.int64))
    strides = np.array(strides_of(lengths))
    fixed = constant_indices(net, node.input(1), lengths)
    if fixed is not None:
        places = net.new_constant((fixed * strides).sum(axis=-1).astype(np.int32).reshape(-1), name="places")
    else:
        found = computed_indices(net, node.input(1), lengths)
        factors = net.new_constant(strides.astype(found.dtype), name="strides")
        products = net.add("MUL", (found, factors), found.shape, options=options("MulOptions"))
        last = net.new_constant(np.array([len(found.shape) - 1], np.int32), name="axes")
        sums = net.add("SUM", (products, last), found.shape[:-1], options=options("ReducerOptions", keepDims=False))
        places = net.reshape(sums, (sums.elements,))
    _scattered(node, net, view, updates, places, count=count)


def of_one_type(net: Lowering, data: str, changes: str, *, moves: bool = True) -> tuple[View, View]:
    """(data, changes to it): integers of one scale where they are only moved, else numbers both."""
    view, updates = carried_view(net, data), carried_view(net, changes)
    if moves and view.is_quantized and updates.is_quantized and view.tensor.quantization == updates.tensor.quantization:
        return view, updates
    return net.numbers(view), net.numbers(updates)


def _moves(node: Node) -> bool:
    return bool(node.attribute("reduction", "none") == "none")


def _scattered(node: Node, net: Lowering, view: View, updates: View, places: Tensor, *, count: int) -> None:
    """Bind the data of `view`, as `count` rows, with rows of `updates` brought in at `places`."""
    reduction = node.attribute("reduction", "none")
    if count > _INT32_MOST:
        raise Refused("has more elements than 32 bits can count")
    width = view.tensor.elements // max(count, 1)
    rows = net.reshape(view.tensor, (count, width))
    given = net.reshape(net.laid(updates), (places.elements, width))
    if not given.elements:
        net.bind_view(node.output(0), view)
        return
    if reduction == "none":
        made = _replaced(net, rows, given, places)
    elif reduction == "add":
        made = _added(net, rows, given, places)
    else:
        made = _reduced(net, rows, given, places, _REDUCTIONS[reduction])
    net.bind_view(node.output(0), replace(view, tensor=net.reshape(made, view.tensor.shape)))


def _replaced(net: Lowering, rows: Tensor, updates: Tensor, places: Tensor) -> Tensor:
    """Rows with the last update of each place in it; of computed places none may come twice, as the standard says."""
    count, width = rows.shape
    if places.data is not None:
        source = np.arange(count, dtype=np.int32)
        source[places.data] = count + np.arange(places.elements)
        both = joined(net, [rows, updates], 0, (count + places.elements, width))
        index = net.new_constant(source, name="rows")
        return carried(net, "GATHER", (both, index), rows.shape, options=options("GatherOptions"))
    ones = net.new_constant(np.ones((places.elements, 1), np.int32), name="ones")
    hits = _spread(net, ones, places, count)
    zero = net.new_constant(np.array(0, np.int32), name="zero")
    is_hit = net.add("GREATER", (hits, zero), hits.shape, dtype="bool", options=options("GreaterOptions"))
    inputs = (is_hit, _spread(net, updates, places, count), rows)
    return carried(net, "SELECT_V2", inputs, rows.shape, values=(1, 2), options=options("SelectV2Options"))


def _spread(net: Lowering, updates: Tensor, places: Tensor, count: int) -> Tensor:
    """(count, width) sums of the updates of each place."""
    indices = net.reshape(net.cast(places, "int32"), (places.elements, 1))
    shape = (count, updates.shape[1])
    lengths = net.new_constant(np.array(shape, np.int32), name="shape")
    return carried(
        net, "SCATTER_ND", (indices, updates, lengths), shape, values=(1,), options=options("ScatterNdOptions")
    )


def _added(net: Lowering, rows: Tensor, updates: Tensor, places: Tensor) -> Tensor:
    wide, more = widened(net, [rows, updates], "ADD", is_modular=True)
    sums = net.add("ADD", (wide, _spread(net, more, places, rows.shape[0])), rows.shape, options=options("AddOptions"))
    return narrowed(net, sums, rows.dtype)


def _reduced(net: Lowering, rows: Tensor, updates: Tensor, places: Tensor, how: _Reduction) -> Tensor:
    """Every place looks at every update: those that are not its own are neutral."""
    (count, width), updated = rows.shape, places.elements
    if count * width * updated > _MOST_PAIRS:
        raise Refused(
            f"reduces {updated} updates over {count} places with `{how.pair.lower()}`, which would take "
            f"{count * width * updated * 4 / (1 << 20):.0f} MiB",
            rewrite="reduction `add` or `none`, for which TFLite has a kernel",
        )
    bring, back = (widened, narrowed) if how.pair == "MUL" else (ordered, unordered)
    wide, more = bring(net, [rows, updates], how.pair, how.along)
    own = net.new_constant(np.arange(count, dtype=places.dtype).reshape(-1, 1), name="places")
    targets = net.reshape(places, (1, updated))
    is_own = net.add("EQUAL", (own, targets), (count, updated), dtype="bool", options=options("EqualOptions"))
    inputs = (
        net.reshape(is_own, (count, updated, 1)),
        net.reshape(more, (1, updated, width)),
        net.new_constant(_neutral(how, wide.dtype), name="neutral"),
    )
    shape = (count, updated, width)
    picked = net.add("SELECT_V2", inputs, shape, dtype=wide.dtype, options=options("SelectV2Options"))
    axes = net.new_constant(np.array([1], np.int32), name="axes")
    reduced = net.add(how.along, (picked, axes), rows.shape, options=options("ReducerOptions", keepDims=False))
    made = net.add(how.pair, (wide, reduced), rows.shape, options=options(_TABLES[how.pair]))
    return back(net, made, rows.dtype)


def _neutral(how: _Reduction, dtype: str) -> NDArray[Any]:
    if how.pair == "MUL":
        return np.array(1, dtype)
    if np.dtype(dtype).kind == "f":
        return np.array(-np.inf if how.pair == "MAXIMUM" else np.inf, dtype)
    bounds = np.iinfo(dtype)
    return np.array(bounds.min if how.pair == "MAXIMUM" else bounds.max, dtype)
