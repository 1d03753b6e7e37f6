"""Activations of recurrent layers, with their numbers, and the clipping before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgeopt.steps.tflite.families.formula import computed, log1p
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node

_Formula = Callable[..., Tensor]  # of a net, a tensor and the numbers that it has


def _mapped(kind: str) -> _Formula:
    return lambda net, x: net.add(kind, (x,), x.shape)


def _affine(net: Lowering, x: Tensor, alpha: float, beta: float) -> Tensor:
    return computed(net, "ADD", computed(net, "MUL", x, alpha), beta)


def _leaky_relu(net: Lowering, x: Tensor, alpha: float) -> Tensor:
    return net.add("LEAKY_RELU", (x,), x.shape, options=options("LeakyReluOptions", alpha=alpha))


def _thresholded_relu(net: Lowering, x: Tensor, alpha: float) -> Tensor:
    above = computed(net, "GREATER", x, alpha)
    return computed(net, "SELECT_V2", above, x, net.scalar(0.0))


def _scaled_tanh(net: Lowering, x: Tensor, alpha: float, beta: float) -> Tensor:
    return computed(net, "MUL", _mapped("TANH")(net, computed(net, "MUL", x, beta)), alpha)


def _hard_sigmoid(net: Lowering, x: Tensor, alpha: float, beta: float) -> Tensor:
    return computed(net, "MAXIMUM", computed(net, "MINIMUM", _affine(net, x, alpha, beta), 1.0), 0.0)


def _elu(net: Lowering, x: Tensor, alpha: float) -> Tensor:
    negative = computed(net, "MINIMUM", x, 0.0)
    grown = computed(net, "MUL", computed(net, "SUB", _mapped("EXP")(net, negative), 1.0), alpha)
    return computed(net, "ADD", computed(net, "MAXIMUM", x, 0.0), grown)


def _softsign(net: Lowering, x: Tensor) -> Tensor:
    return computed(net, "DIV", x, computed(net, "ADD", _mapped("ABS")(net, x), 1.0))


def _softplus(net: Lowering, x: Tensor) -> Tensor:
    size = _mapped("ABS")(net, x)
    small = _mapped("EXP")(net, computed(net, "MUL", size, -1.0))
    return computed(net, "ADD", computed(net, "MAXIMUM", x, 0.0), log1p(net, small))


# name, in lower case as ONNX lets it be written -> (formula, default alpha, default beta); None for one without it.
# Source: the ONNX standard's definition of `LSTM`; defaults are those of the operators of the same name.
_FORMULAS: Mapping[str, tuple[_Formula, float | None, float | None]] = {
    "affine": (_affine, 1.0, 0.0),
    "elu": (_elu, 1.0, None),
    "hardsigmoid": (_hard_sigmoid, 0.2, 0.5),
    "leakyrelu": (_leaky_relu, 0.01, None),
    "relu": (_mapped("RELU"), None, None),
    "scaledtanh": (_scaled_tanh, 1.0, 1.0),
    "sigmoid": (_mapped("LOGISTIC"), None, None),
    "softplus": (_softplus, None, None),
    "softsign": (_softsign, None, None),
    "tanh": (_mapped("TANH"), None, None),
    "thresholdedrelu": (_thresholded_relu, 1.0, None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """One activation of a layer.

    Attributes:
        net: Where its operations are added.
        formula: What it computes.
        numbers: Its alpha and beta, where it has them.
        clip: What its input is clipped to, in both directions; 0 for nothing.
    """

    net: Lowering
    formula: _Formula
    numbers: tuple[float, ...]
    clip: float

    def __call__(self, x: Tensor) -> Tensor:
        """What it gives for `x`."""
        if self.clip:
            x = computed(self.net, "MAXIMUM", computed(self.net, "MINIMUM", x, self.clip), -self.clip)
        return self.unclipped(x)

    def unclipped(self, x: Tensor) -> Tensor:
        """What it gives for an `x` that is not clipped."""
        return self.formula(self.net, x, *self.numbers)


def activations(node: Node, net: Lowering, place: int, defaults: tuple[str, ...]) -> list[Activation]:
    """Activations of one direction of a recurrent layer.

    Alphas and betas are handed out in order to those activations, of all directions, that have them.

    Args:
        node: The layer.
        net: Where its operations are added.
        place: Its direction.
        defaults: Activations where the layer says none.

    Raises:
        Refused: One of them is unknown.
    """
    directions = 2 if node.attribute("direction", "forward") == "bidirectional" else 1
    names = [str(each).lower() for each in node.attribute("activations") or defaults * directions]
    if len(names) != len(defaults) * directions or not set(names) <= set(_FORMULAS):
        raise Refused(f"has activations `{', '.join(names)}`, which ONNX does not define for it")
    alphas, betas = (iter(node.attribute(f"activation_{each}") or ()) for each in ("alpha", "beta"))
    found = []
    for name in names:
        formula, alpha, beta = _FORMULAS[name]
        found.append(
            Activation(
                net=net,
                formula=formula,
                numbers=tuple(
                    float(next(given, default))
                    for given, default in ((alphas, alpha), (betas, beta))
                    if default is not None
                ),
                clip=float(node.attribute("clip", 0.0)),
            )
        )
    return found[place * len(defaults) : (place + 1) * len(defaults)]
