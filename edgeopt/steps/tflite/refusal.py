"""What cannot be converted, and why."""

from __future__ import annotations

from dataclasses import dataclass

from edgeopt.errors import Unsupported

_SHOWN = 20


class Refused(Exception):
    """One node that has no counterpart in TFLite.

    Args:
        reason: Why, ending the sentence "node `x` (Op) ...".
        rewrite: What to write in its place, where there is something.
    """

    def __init__(self, reason: str, *, rewrite: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.rewrite = rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A node, why it cannot be converted, and the rewrite to try."""

    node: str
    operator: str
    reason: str
    rewrite: str = ""

    def __str__(self) -> str:
        way_out = f" (try: {self.rewrite})" if self.rewrite else ""
        return f"`{self.node}` ({self.operator}): {self.reason}{way_out}"


def refused_together(refusals: list[Refusal], *, where: str) -> Unsupported:
    """All of `refusals`, at least one, as a single failure."""
    told = "; ".join(str(each) for each in refusals[:_SHOWN])
    more = f"; and {len(refusals) - _SHOWN} more" if len(refusals) > _SHOWN else ""
    kinds = ", ".join(sorted({each.operator for each in refusals}))
    if all(each.operator.startswith("ai.onnx.ml.") for each in refusals):
        hint = "no converter has kernels for these; `bench`, `evaluate`, `compare` and `gate` take the .onnx as it is"
    else:
        hint = f"replace these ({kinds}) in the model, or try another converter: `--via onnx2tf`, or from torch "
        hint += "`--via litert-torch`"
    return Unsupported(f"`{where}` cannot become TFLite: {told}{more}", hint=hint)
