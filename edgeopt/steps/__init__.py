"""Changes of a model: one artifact in, one artifact out."""

from __future__ import annotations

# name in a recipe -> its frozen dataclass of options
STEPS: dict[str, str] = {
    "simplify": "edgeopt.steps.simplify:Simplify",
    "convert": "edgeopt.steps.convert:Convert",
    "quantize": "edgeopt.steps.quantize.step:Quantize",
}
