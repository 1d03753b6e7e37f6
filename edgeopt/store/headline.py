"""The verdict and the few figures of a run that a list of runs shows."""

from __future__ import annotations

from typing import Any

Path = tuple[str | int, ...]

# command -> (name, where the record holds the value, unit); the origin is the nearest one on the way there
_FIGURES: dict[str, tuple[tuple[str, Path, str], ...]] = {
    "quantize": (
        ("size", ("output", "size_bytes"), "B"),
        ("speedup", ("latency", "comparison", "ratio"), "x"),
        ("difference", ("accuracy", "difference_pt"), "pt"),
        ("sqnr", ("fidelity", "sqnr_db"), "dB"),
    ),
    "bench": (
        ("p50", ("runs", -1, "latency", "p50"), "s"),
        ("p90", ("runs", -1, "latency", "p90"), "s"),
        ("speedup", ("comparisons", 0, "ratio"), "x"),
        ("median", ("runs", -1, "latency", "median"), "s"),  # of an estimate, which has no percentiles
    ),
    "evaluate": tuple((name, ("metrics", name, "value"), "1") for name in ("accuracy", "auc", "f1", "mse", "mae")),
    "compare": (
        ("difference", ("difference_pt",), "pt"),
        ("flips", ("flips",), "1"),
    ),
    "diagnose": (("sqnr", ("candidate_sqnr_db",), "dB"),),
    "gate": (
        ("speedup", ("latency", "comparison", "ratio"), "x"),
        ("difference", ("accuracy", "difference_pt"), "pt"),
    ),
}
# command -> where its verdict stands; elsewhere under `verdict`
_VERDICTS: dict[str, Path] = {"bench": ("comparisons", 0, "verdict")}
_MOST_FIGURES = 3


def headline(record: dict[str, Any]) -> dict[str, Any]:
    """The headline of a run's JSON record: `verdict` (None where there is none) and `figures`.

    Each figure has `name`, `value` (in its base unit: points are shares), `unit` and `origin`, which is empty where the
    record does not tell it. What the record lacks is left out.
    """
    command = str(record.get("command"))
    verdict, _ = _find(record, _VERDICTS.get(command, ("verdict",)))
    figures, shared = [], _shared_origin(record)
    for name, path, unit in _FIGURES.get(command, ()):
        value, origin = _find(record, path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            share = value / 100 if unit == "pt" else value
            figures.append({"name": name, "value": share, "unit": unit, "origin": origin or shared})
    if any(figure["name"] == "p50" for figure in figures):
        figures = [figure for figure in figures if figure["name"] != "median"]
    return {"verdict": verdict if isinstance(verdict, str) else None, "figures": figures[:_MOST_FIGURES]}


def _shared_origin(record: dict[str, Any]) -> str:
    """The origin of all measurements, where they have one in common."""
    origins = {measurement["origin"] for measurement in record["measurements"]}
    return str(origins.pop()) if len(origins) == 1 else ""


def _find(record: Any, path: Path) -> tuple[Any, str]:
    """The value at `path`, None where there is none, and the last `origin` passed on the way."""
    origin = ""
    for key in path:
        if isinstance(record, dict):
            origin = str(record.get("origin") or origin)
        try:
            record = record[key]
        except (KeyError, IndexError, TypeError):
            return None, origin
    return record, origin
