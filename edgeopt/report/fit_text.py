"""Whether a model fits a target, as people read it."""

from __future__ import annotations

from edgeopt.report.figures import Record
from edgeopt.units import format_bytes

Row = tuple[str, str]
_MOST_BUFFERS = 3
_VERDICTS = {True: "fits", False: "DOES NOT FIT", None: "not known"}


def fit_rows(fit: Record) -> list[Row]:
    """Rows of (what, in words), the verdict first."""
    rows = [("fit", _verdict(fit))]
    if fit["arena"]:
        rows += [("RAM", _arena(fit)), ("flash", _flash(fit["flash"]))]
    if fit["peak"]:
        rows.append(("peak", _peak(fit["peak"])))
    rows += [("lacking", f"{_counted(one)}: {one['reason']}") for one in fit["lacking"]]
    rows += [("slow", text) for text in _slow(fit["slow"])]
    rows += [("to fit" if fit["fits"] is False else "note", text) for text in fit["advice"]]
    return rows + [("note", text) for text in fit["notes"]]


def _verdict(fit: Record) -> str:
    verdict, target = _VERDICTS[fit["fits"]], fit["target"]
    if fit["refusal"]:
        return f"{verdict}: {fit['refusal']}"
    if fit["arena"]:
        faults = [f"{name} is short" for name in ("ram", "flash") if fit[name]["fits"] is False]
        faults += ["operators are lacking"] if fit["lacking"] else []
        unknown = [_doubt(name, fit[name]) for name in ("ram", "flash") if fit[name]["fits"] is None]
        why = ", ".join(faults or unknown).replace("ram", "RAM")
        return f"{verdict}: {target}, {fit['subject']}{f' ({why})' if why else ''}; estimated"
    ram = fit["ram"]
    needed = f"weights and activations need {format_bytes(ram['needed_bytes'])}"
    if ram["fits"] is None:
        return f"{needed}; the memory of {target} is not known"
    lacks = ", operators are lacking" if fit["lacking"] else ""
    return f"{verdict}: {needed}, {target} has {_limit(ram)}{lacks}"


def _doubt(name: str, need: Record) -> str:
    return f"its {name} is not known" if need["limit_bytes"] is None else f"{name} may be short"


def _arena(fit: Record) -> str:
    arena, ram = fit["arena"], fit["ram"]
    parts = (
        f"{format_bytes(arena['head_bytes'])} activations and scratch, {format_bytes(arena['tail_bytes'])} structures"
    )
    tables = arena["needed_bytes"] - arena["head_bytes"] - arena["tail_bytes"]
    if tables >= arena["needed_bytes"] / 100:
        parts += f", {format_bytes(tables)} more while it starts"
    if ram["most_bytes"] and ram["most_bytes"] - ram["needed_bytes"] >= ram["needed_bytes"] / 100:
        parts += f", up to {format_bytes(ram['most_bytes'])} with CMSIS-NN"
    unknown = f"; the memory of {', '.join(arena['assumed'])} is taken to be small" if arena["assumed"] else ""
    return f"an arena of {format_bytes(arena['needed_bytes'])} ({parts}) of {_limit(ram)}{unknown}"


def _flash(flash: Record) -> str:
    model, least, most = flash["parts"]["model"], flash["parts"]["code"], flash["most_bytes"]
    code = f"{format_bytes(least)} to {format_bytes(most - model)} code of the runtime"
    return f"{format_bytes(flash['needed_bytes'])} or more ({format_bytes(model)} model, {code}) of {_limit(flash)}"


def _limit(need: Record) -> str:
    if need["limit_bytes"] is None:
        return "an unknown amount"
    doubt = "" if need["verified"] or "not verified" in need["source"] else ", not verified"
    return f"{format_bytes(need['limit_bytes'])} ({need['source']}{doubt})"


def _peak(peak: Record) -> str:
    shown = peak["buffers"][:_MOST_BUFFERS]
    held = ", ".join(f"{one['name']} {format_bytes(one['bytes'])}" for one in shown)
    rest = len(peak["buffers"]) - len(shown)
    more = f", and {rest} more" if rest else ""
    return f"{format_bytes(peak['live_bytes'])} at {peak['operator']} `{peak['name']}`: {held}{more}"


def _slow(slow: list[Record]) -> list[str]:
    """A line a reason."""
    reasons = dict.fromkeys(one["reason"] for one in slow)
    return [f"{reason}: {', '.join(_counted(one) for one in slow if one['reason'] == reason)}" for reason in reasons]


def _counted(misfit: Record) -> str:
    return f"{misfit['count']} {misfit['operator']}"
