"""What `quantize` corrected, placed and searched, in lines for people."""

from __future__ import annotations

from typing import Any

_NAMES = {
    "equalize": "channels equalized",
    "smooth": "norms smoothed",
    "bias_correction": "biases corrected",
}


def correction_rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, text) of corrections, of placement by measurement and of a budget, as far as the record holds them."""
    rows = []
    if record.get("corrections"):
        rows.append(("corrections", corrections_text(record["corrections"])))
    if record.get("placement"):
        rows.append(("placement", placement_text(record["placement"])))
    if record.get("max_drop"):
        rows.append(("max drop", budget_text(record["max_drop"])))
    return rows


def corrections_text(corrections: dict[str, Any]) -> str:
    """Which corrections the model has, as far as its scheme knows any, and what they gained on samples held back."""
    parts = [text for key, text in _NAMES.items() if corrections.get(key)]
    if "range" in corrections:
        parts.append(f"ranges by {corrections['range']}")
    if corrections.get("weight_range", "minmax") != "minmax":
        parts.append(f"ranges of weights by {corrections['weight_range']}")
    if corrections["rounding"] != "nearest" or not parts:
        how = "to the nearest" if corrections["rounding"] == "nearest" else f"by {corrections['rounding']}"
        parts.append(f"weights rounded {how}")
    said = ", ".join(parts)
    tried = corrections["tried"]
    if not tried:
        return said
    kept = [one for one in tried if one["kept"]]
    before, after = tried[0]["before_db"], (kept or tried)[-1]["after_db" if kept else "before_db"]
    return f"{said}: {before:.1f} -> {after:.1f} dB on {corrections['held_back']} samples held back"


def placement_text(placement: dict[str, Any]) -> str:
    """What was timed, and what stays float for it."""
    count = len(placement["kept_float"])
    kept = f"{count} nodes stay float, being slower in int8 here" if count else "no node is slower in int8 here"
    return f"measured on this machine: {kept}"


def budget_text(budget: dict[str, Any]) -> str:
    """Whether the budget was met, with how many layers float."""
    count = len(budget["kept_float"])
    verdict = "met" if budget["met"] else "NOT met"
    return (
        f"{budget['limit_pt']:g} pt {verdict}: {budget['drop_pt']:.2f} pt on {budget['samples']} samples with "
        f"{count} layers kept float, after {len(budget['evaluations'])} evaluations"
    )
