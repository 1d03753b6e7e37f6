"""The rules of a gate record in the order and the words that every report shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from edgeopt.report.figures import Record, figure_text

# The worst first.
_ORDER = ("failed", "undecided", "waived", "passed")


def worst_first(rules: Sequence[Record]) -> list[Record]:
    """The rules by verdict, and the broken ones by how far they are beyond their limit."""
    return sorted(rules, key=lambda rule: (_ORDER.index(rule["verdict"]), -_excess(rule)))


def counts_text(rules: Sequence[Record]) -> str:
    """How many rules ended how: `3 rules: 1 failed, 2 passed`."""
    counts = Counter(rule["verdict"] for rule in rules)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _ORDER if counts[verdict])
    return f"{len(rules)} rule{'' if len(rules) == 1 else 's'}: {told or 'none'}"


def rule_text(rule: Record) -> str:
    """Figure, limit and reason of a rule: `107 KB, limit 100 KB (host); held to a plain tolerance`."""
    if rule["value"] is None:
        return str(rule["reason"])
    value, limit = (figure_text(rule[key], rule["unit"]) for key in ("value", "limit"))
    return f"{value}, limit {limit} ({rule['origin']}); {rule['reason']}"


def is_undecided_failing(record: Record) -> bool:
    """Whether an undecided rule fails the gate."""
    return bool(record.get("undecided", "fail") == "fail")


def model_name(record: Record) -> str:
    """File name of the model that the record is about: the candidate, where it holds two."""
    roles = {artifact.get("role", "candidate"): artifact for artifact in record["artifacts"]}
    artifact = roles.get("candidate") or roles.get("baseline")
    return PurePath(str(artifact["path"])).name if artifact else "model"


def _excess(rule: Record) -> float:
    """How far the figure lies from its limit, relative to it; 0 where either is not known."""
    value, limit = rule["value"], rule["limit"]
    return 0.0 if value is None or limit is None else abs(value - limit) / (abs(limit) or 1.0)
