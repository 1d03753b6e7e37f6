"""Layers of a quantized model as a table: what each loses, why, and what mends it."""

from __future__ import annotations

from collections.abc import Callable

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeopt.report.escape import printable
from edgeopt.report.figures import Record

_MOST = 30
_GAIN = "gain"
_HEADERS = (
    "layer, worst first",
    "output",
    "noise",
    _GAIN,
    "weights",
    "activations",
    "clipped",
    "spread",
    "zero channels",
    "why, and what mends it",
)
_LEGEND = (
    "output, weights, activations: signal to noise in dB with only this layer, its weights, its activations in "
    "integers; the first at the model's output, the others at the layer's. noise: its share of all layers' noise at "
    "the output.",
    "clipped: values beyond the range, of its weights and activations the worst. spread: widest channel of its weights "
    "over the median one. zero channels: become zero in integers + were zero already.",
)

_OF_GAIN = "gain: dB that the output gains when this layer alone is float."


def diagnose_view(record: Record) -> RenderableType:
    """The whole model in a line, a row per layer, and what the columns mean."""
    has_gain = any(layer["gain_db"] is not None for layer in record["layers"])
    shown = [index for index, header in enumerate(_HEADERS) if has_gain or header != _GAIN]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index in shown:
        is_words = index in (0, len(_HEADERS) - 1)
        table.add_column(_HEADERS[index], overflow="fold", justify="left" if is_words else "right")
    for layer in record["layers"][:_MOST]:
        cells = _cells(layer)
        table.add_row(*(cells[index] for index in shown))
    left = len(record["layers"]) - _MOST
    rest = [Text(f"and {left} layers that do less (--json lists all)")] if left > 0 else []
    fine = sum(_is_fine(layer) for layer in record["layers"])
    return Group(
        *(Text(printable(line)) for line in _whole(record)),
        table,
        *rest,
        Text(f"nothing is wrong with {fine} of {len(record['layers'])} layers"),
        *(Text(line, style="dim") for line in (*_LEGEND, *([_OF_GAIN] if has_gain else []))),
    )


DIAGNOSE_VIEWS: dict[str, Callable[[Record], RenderableType]] = {"diagnose": diagnose_view}


def _whole(record: Record) -> list[str]:
    calibrated = record["calibration_samples"]
    on = f", calibrated on {calibrated}" if calibrated is not None else ""
    lines = [
        f"output of the candidate: {record['candidate_sqnr_db']:.1f} dB signal to noise beside BASE "
        f"({record['origin']}, {record['samples']} samples{on}); simulated {record['simulated_sqnr_db']:.1f} dB"
    ]
    if record["kept_float"]:
        lines.append(f"kept float: {', '.join(record['kept_float'])}")
    return lines


def _cells(layer: Record) -> tuple[str | Text, ...]:
    weight = layer["weight"] or {"clipped_share": 0.0, "zeroed_channels": 0, "dead_channels": 0}
    pairs = [*layer["reads"], *layer["writes"]]
    clipped = max([weight["clipped_share"], *(pair["clipped_share"] for pair in pairs)])
    zeroed = max([weight["zeroed_channels"], *(pair["zeroed_channels"] for pair in pairs)])
    dead = max([weight["dead_channels"], *(pair["dead_channels"] for pair in pairs)])
    return (
        printable(f"{layer['node']} ({layer['operator']})"),
        _decibels(layer["output_sqnr_db"]),
        _share(layer["noise_share"]),
        "" if layer["gain_db"] is None else f"{layer['gain_db']:+.1f}",
        _decibels(layer["weights_sqnr_db"]),
        _decibels(layer["activations_sqnr_db"]),
        _share(clipped) if clipped else "",
        f"{layer['weight']['largest_over_median']:.1f}x" if layer["weight"] else "",
        f"{zeroed} + {dead}" if zeroed or dead else "",
        _why(layer),
    )


def _why(layer: Record) -> Text:
    lines = [f"{reason['text']}: {reason['mend']}" for reason in layer["reasons"] if reason["mend"]]
    lines = lines or ["nothing is wrong"]
    if layer["unmatched"]:
        lines.append(layer["unmatched"])
    return Text(printable("; ".join(lines)), style="" if _is_fine(layer) else "yellow")


def _is_fine(layer: Record) -> bool:
    return all(reason["cause"] == "none" for reason in layer["reasons"])


def _decibels(value: float | None) -> str:
    return "" if value is None else "exact" if value >= 120 else f"{value:.1f}"


def _share(share: float) -> str:
    return f"{100 * share:.2g} %"
