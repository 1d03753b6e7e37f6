"""How far an output of a converted model may be from that of its source (docs/adr/0017)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from edgeopt.measure.difference import Difference

Numbers = Literal["float32", "float16", "integer", "dynamic"]

# Both models compute in float32, but in another order: the last bits differ by about the square root of the number of
# terms, in units of 2**-24 of the largest value.
FLOAT32_TOLERANCE = 1e-4
# The one rounds what lies between its layers to float16, the other does not: 16 units of 2**-11, as many as 256 layers
# add up to where they are independent.
FLOAT16_TOLERANCE = 2.0**-7
# What the difference of two float32 numbers is off by: a whole step of integers may come out as more than itself.
LAST_BITS = 2.0**-22
# What one int8 inference whose ranges are found anew differs by from another: each rounds to a 255th of a range.
DYNAMIC_SQNR_DB = 20.0
# A model whose outputs are lost in its own roundings proves nothing: below that its unrest is no excuse.
RESTLESS_SQNR_DB = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How far an output may be from that of the source.

    Attributes:
        numbers: What the source computes with.
        step: Of the integers that the output is rounded to, in its own unit; 0 where it is not.
        unrest: Root mean square of what the source's own output changes by where its quantizers give each value to
            within a step; 0 where that was not measured.
    """

    numbers: Numbers
    step: float = 0.0
    unrest: float = 0.0

    def excess(self, found: Difference) -> str:
        """How the difference breaks the bound; empty where it does not."""
        if math.isinf(found.largest):
            return "has another shape, or is NaN or infinite elsewhere"
        if self.numbers == "integer":
            own = self.unrest if found.sqnr_db >= RESTLESS_SQNR_DB else 0.0
            allowed = max(self.step, own, FLOAT32_TOLERANCE * found.magnitude)
            if found.root_mean_square <= allowed + LAST_BITS * found.magnitude:
                return ""
            return f"differs by {found.root_mean_square:.3g} (root mean square), where {allowed:.3g} is rounding"
        if self.numbers == "dynamic":
            is_close = found.sqnr_db >= DYNAMIC_SQNR_DB or found.relative <= FLOAT32_TOLERANCE
            return "" if is_close else f"has {found.sqnr_db:.1f} dB, where {DYNAMIC_SQNR_DB:.0f} dB are due"
        tolerance = FLOAT16_TOLERANCE if self.numbers == "float16" else FLOAT32_TOLERANCE
        if found.relative <= tolerance:
            return ""
        return f"differs by {found.relative:.3g} of its largest value, where {tolerance:.2g} is rounding"

    def as_json(self) -> dict[str, Any]:
        """The bound under its JSON keys."""
        return {"numbers": self.numbers, "step": self.step or None, "unrest": self.unrest or None}
