"""Rules that what was measured cannot answer however good it is, each with the reason: they are refused, not judged."""

from __future__ import annotations

from collections.abc import Iterable

from edgeopt.errors import InputError, near_names
from edgeopt.judge.answers import Answers, answers_from_scores
from edgeopt.judge.labels import Task, infer_task
from edgeopt.judge.metrics import METRICS, suited_metric
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import HOST, Rule
from edgeopt.judge.scores import without_unit_axes


def unusable_rules(rules: Iterable[Rule], predictions: Predictions) -> list[InputError]:
    """Why some of `rules` cannot be judged on these predictions, a refusal per rule.

    A slice that is not there, a metric that does not suit the task, flips of a regression. Rules for other targets are
    left alone: predictions are made on this machine.

    Args:
        rules: What is demanded.
        predictions: Of the candidate.

    Raises:
        InputError: The scores or the labels themselves are not usable.
    """
    answers = None
    if predictions.labels is not None:
        answers = answers_from_scores(predictions.scores, predictions.labels)
    faults = []
    for rule in rules:
        reason, hint = _refusal(rule, predictions, answers) if rule.target == HOST else ("", "")
        if reason:
            faults.append(InputError(f"rule `{rule.text}`: {reason}", hint=hint))
    return faults


def _refusal(rule: Rule, predictions: Predictions, answers: Answers | None) -> tuple[str, str]:
    """Reason and hint; both empty where the rule can be judged."""
    column = rule.slice_column
    if column and column not in predictions.columns:
        known = near_names(column, predictions.columns) if predictions.columns else "the data has no slice columns"
        return f"the data has no column `{column}`", known
    if rule.metric == "flip_rate" and _is_regression(predictions, answers):
        return "flips need classes, this is regression", "hold it to `mse`, `mae` or `sqnr`"
    if rule.metric in METRICS and answers is not None:
        try:
            suited_metric(rule.metric, answers)
        except InputError as error:
            return error.message, error.hint
    return "", ""


def _is_regression(predictions: Predictions, answers: Answers | None) -> bool:
    task = answers.task if answers is not None else infer_task(without_unit_axes(predictions.scores))
    return task is Task.REGRESSION
