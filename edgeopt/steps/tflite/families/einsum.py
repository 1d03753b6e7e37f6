"""Einsum, as sums, transposed views and matrix products."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.double import DOUBLE
from edgeopt.steps.tflite.families.product import exact_product, product
from edgeopt.steps.tflite.families.reduction import reduced, reduction_of
from edgeopt.steps.tflite.families.types import bits, narrowed, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

_TERM: Final = re.compile(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*")
# Names of axes that an ellipsis stands for; letters of an equation are ASCII.
_FIRST_HIDDEN: Final = 0x3B1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    """A value whose axes have names.

    Attributes:
        labels: Name per axis, each once.
        view: The value.
    """

    labels: str
    view: View

    def length(self, label: str) -> int:
        """Length of an axis; 1 where it has none of that name."""
        return self.view.shape[self.labels.index(label)] if label in self.labels else 1


def einsum(node: Node, net: Lowering) -> None:
    """Einsum of any number of values, two at a time."""
    views = [net.unflattened(net.numbers(net.view(name))) for name in node.inputs]
    inputs, output = _labels(str(node.attribute("equation")), [view.rank for view in views])
    terms = [_diagonal(net, labels, view) for labels, view in zip(inputs, views, strict=True)]
    made = _summed(net, terms[0], output + "".join(term.labels for term in terms[1:]))
    for place, term in enumerate(terms[1:], start=2):
        kept = output + "".join(later.labels for later in terms[place:])
        made = _joined(net, made, _summed(net, term, kept + made.labels), kept)
    permutation = tuple(made.labels.index(label) for label in output)
    view = made.view.transposed(permutation)
    net.bind(node.output(0), view.tensor, view.axes)


def _labels(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """(names of the axes per input, those of the output) of an equation whose ellipses are written out.

    Raises:
        Refused: The equation cannot be read.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(ranks) or not all(_TERM.fullmatch(text) for text in (*texts, right)):
        raise Refused(f"has the equation `{equation}`, which cannot be read")
    hidden = [rank - len(text.replace("...", "")) for text, rank in zip(texts, ranks, strict=True)]
    most = max(hidden)
    names = "".join(chr(_FIRST_HIDDEN + place) for place in range(most))
    inputs = [text.replace("...", names[most - count :]) for text, count in zip(texts, hidden, strict=True)]
    if arrow:
        return inputs, right.replace("...", names)
    every = "".join(inputs)
    return inputs, names + "".join(sorted(label for label in set(every) - set(names) if every.count(label) == 1))


def _diagonal(net: Lowering, labels: str, view: View) -> _Term:
    """A term in which each name stands once: of an axis that is named twice, what lies on the diagonal."""
    while len(set(labels)) < len(labels):
        first = next(place for place, label in enumerate(labels) if labels.count(label) > 1)
        second = labels.index(labels[first], first + 1)
        others = [axis for axis in range(view.rank) if axis not in (first, second)]
        shape = tuple(view.shape[axis] for axis in others)
        count = view.shape[first]
        turned = view.transposed((first, second, *others))
        flat = net.reshape(net.laid(turned), (count * count, *shape))
        places = net.new_constant(np.arange(0, count * count, count + 1, dtype=np.int32), name="diagonal")
        is_double = flat.dtype == DOUBLE
        flat = bits(net, flat, "int64") if is_double else flat
        tensor = net.add("GATHER", (flat, places), (count, *shape), options=options("GatherOptions", axis=0))
        tensor = bits(net, tensor, DOUBLE) if is_double else tensor
        labels = labels[first] + "".join(labels[axis] for axis in others)
        view = replace(view, tensor=tensor, axes=tuple(range(len(tensor.shape))))
    return _Term(labels=labels, view=view)


def _summed(net: Lowering, term: _Term, kept: str) -> _Term:
    """A term summed along axes that neither the output nor another term has."""
    gone = tuple(axis for axis, label in enumerate(term.labels) if label not in kept)
    if not gone:
        return term
    how = reduction_of(term.view, gone, keeps=False)
    (wide,) = widened(net, [term.view.tensor], "SUM", is_modular=True)
    made = narrowed(net, reduced(net, "SUM", wide, how, keeps=False), term.view.tensor.dtype)
    view = replace(term.view, tensor=net.reshape(made, how.shape), axes=how.order)
    return _Term(labels="".join(label for label in term.labels if label in kept), view=view)


def _joined(net: Lowering, left: _Term, right: _Term, kept: str) -> _Term:
    """The product of two terms, summed along the axes that both have and `kept` has not."""
    shared = [label for label in left.labels if label in right.labels]
    batch = "".join(label for label in shared if label in kept)
    summed = "".join(label for label in shared if label not in kept)
    rows = "".join(label for label in left.labels if label not in right.labels)
    columns = "".join(label for label in right.labels if label not in left.labels)
    terms = _matrices(net, left, batch, rows, summed), _matrices(net, right, batch, summed, columns)
    if left.view.tensor.dtype == "float32":
        made = product(net, *terms, None)
        assert made is not None
    else:
        made = exact_product(net, *terms)
    labels = batch + rows + columns
    shape = tuple(max(left.length(label), right.length(label)) for label in labels)
    return _Term(labels=labels, view=net.reshaped(made, shape))


def _matrices(net: Lowering, term: _Term, batch: str, rows: str, columns: str) -> View:
    """(batch, row, column) of a term, whose rows and columns may stand for several axes each."""
    turned = term.view.transposed(tuple(term.labels.index(label) for label in batch + rows + columns))
    stack = tuple(term.length(label) for label in batch)
    sides = (int(np.prod([term.length(label) for label in side])) for side in (rows, columns))
    return net.reshaped(turned, (*stack, *sides))
