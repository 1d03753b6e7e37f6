"""Operators that TFLite has no means for, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """Why a group of operators is out of reach.

    Attributes:
        operators: Their names in the standard domain.
        reason: Why, ending the sentence "node `x` (Op) ...".
        rewrite: What to write in their place, where there is something.
    """

    operators: tuple[str, ...]
    reason: str
    rewrite: str = ""


BEYOND: tuple[Beyond, ...] = (
    Beyond(
        operators=("SequenceMap",),
        reason="runs a graph on each element of a sequence, and TFLite has tensors only",
        rewrite="the operators of that graph on each tensor",
    ),
    Beyond(
        operators=("If",),
        reason="chooses while the model runs between branches of different shapes, or whose operators may fail",
        rewrite="Where on results of one shape, or a model per branch",
    ),
    Beyond(
        operators=("Loop", "Scan"),
        reason="has a number of rounds that is not known before the model runs, ends by what it computes, or becomes "
        "too many operators",
        rewrite="a constant number of rounds, or one round per model, with its state as an input and an output",
    ),
    Beyond(
        operators=("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"),
        reason="works on text, for which TFLite has no such kernel",
        rewrite="prepare the text before the model, and give it numbers",
    ),
    Beyond(
        operators=(
            "Bernoulli",
            "Multinomial",
            "RandomNormal",
            "RandomNormalLike",
            "RandomUniform",
            "RandomUniformLike",
        ),
        reason="draws random numbers, which no other runtime draws alike: nothing could be compared",
        rewrite="the random numbers as an input",
    ),
    Beyond(
        operators=("ImageDecoder",),
        reason="reads the bytes of an image file, for which TFLite has no kernel",
        rewrite="decode the image before the model",
    ),
)
# domain -> why none of its operators can be converted, and what to do
_DOMAINS: Mapping[str, tuple[str, str]] = {
    "ai.onnx.ml": (
        "is an operator of classical machine learning, for which TFLite has no kernels",
        "run this model on ONNX Runtime",
    ),
    "ai.onnx.preview.training": ("is a step of training", "export the model for inference"),
    "ai.onnx.training": ("is a step of training", "export the model for inference"),
}
_BY_OPERATOR = {operator: each for each in BEYOND for operator in each.operators}


def refusal_of(node: Node) -> Refused:
    """Why a node whose operator has no writer cannot be converted."""
    if node.domain:
        reason, rewrite = _DOMAINS.get(
            node.domain, (f"is an operator of the domain `{node.domain}`, which edgeopt does not know", "")
        )
        return Refused(reason, rewrite=rewrite)
    known = _BY_OPERATOR.get(node.operator)
    if known is not None:
        return Refused(known.reason, rewrite=known.rewrite)
    return Refused("edgeopt has no TFLite counterpart for this operator")
