"""What a gate demands: rules that can be used, and every reason why one cannot, told at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgeopt.core.config import Waiver
from edgeopt.core.dataset import Dataset
from edgeopt.core.profiles import load_target
from edgeopt.errors import EdgeoptError, InputError, near_names, together
from edgeopt.judge.metrics import METRICS
from edgeopt.judge.rules import Rule, parse_each

_ON_DATA = (*METRICS, "flip_rate", "sqnr")


def demands_of(texts: Sequence[str], waivers: Iterable[Waiver] = ()) -> tuple[tuple[Rule, ...], list[EdgeoptError]]:
    """The rules that `texts` state, and all that is wrong with the others, with their targets and with `waivers`.

    Raises:
        InputError: There is no rule at all.
    """
    if isinstance(texts, str):
        raise InputError("`rules` is not a list of rules", hint='give one like ["accuracy >= baseline - 1 pt"]')
    if not texts:
        raise InputError(
            "there is no rule to judge", hint='add `rules = ["accuracy >= baseline - 0.5 pt"]` under [gate]'
        )
    rules, faults = parse_each(texts)
    found: list[EdgeoptError] = [*faults, *_target_faults(rules)]
    for waiver in waivers:
        if waiver.rule not in texts:
            hint = "copy the rule's text"
            found.append(InputError(f"a waiver names `{waiver.rule}`, which is none of the rules", hint=hint))
    return rules, found


def is_on_data(rule: Rule) -> bool:
    """Whether samples are needed to judge the rule."""
    return rule.metric in _ON_DATA


def unanswerable_rules(rules: Iterable[Rule], data: Dataset | None) -> list[EdgeoptError]:
    """Why the data cannot answer some of `rules`, before anything is measured: no data, no labels, no such column.

    Labels are not needed to bound the change of accuracy: it is no larger than the share of changed predictions.
    """
    faults: list[EdgeoptError] = []
    for rule in rules:
        if is_on_data(rule) and data is None:
            faults.append(InputError(f"rule `{rule.text}` needs `[data]`", hint="name samples: `[data] path = ...`"))
        elif data is not None and data.labels is None and _needs_labels(rule):
            faults.append(InputError(f"rule `{rule.text}` needs labels (`y`) in `{data.source}`", hint="add them"))
        elif rule.slice_column and data is not None and rule.slice_column not in data.columns:
            faults.append(_no_column(f"rule `{rule.text}`: ", rule.slice_column, data))
    return faults


def missing_columns(columns: Iterable[str], data: Dataset | None, *, key: str) -> list[EdgeoptError]:
    """A refusal per column that `key` of the configuration names and the data lacks."""
    if data is None:
        return []
    return [_no_column(f"`{key}`: ", column, data) for column in columns if column not in data.columns]


def require(faults: Sequence[EdgeoptError]) -> None:
    """Raise all of `faults` as one, where there are any.

    Raises:
        InputError: There are.
    """
    if faults:
        raise together(faults)


def _needs_labels(rule: Rule) -> bool:
    return rule.metric in METRICS and not (rule.metric == "accuracy" and rule.is_relative)


def _target_faults(rules: Iterable[Rule]) -> list[EdgeoptError]:
    faults: list[EdgeoptError] = []
    for rule in rules:
        try:
            load_target(rule.target)
        except InputError as error:
            faults.append(InputError(f"rule `{rule.text}`: {error.message}", hint=error.hint))
    return faults


def _no_column(where: str, column: str, data: Dataset) -> InputError:
    hint = near_names(column, data.columns) if data.columns else "the data has no slice columns"
    return InputError(f"{where}`{data.source}` has no column `{column}`", hint=hint)
