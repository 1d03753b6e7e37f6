"""Rules that predictions cannot answer are refused, a reason each; the others are let through."""

import numpy as np
import pytest

from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import parse_rules
from edgeopt.judge.usable import unusable_rules

CLASSES = Predictions(
    scores=np.eye(3, dtype=np.float32)[np.arange(30) % 3], labels=np.arange(30) % 3, columns={"room": np.arange(30) % 2}
)
NUMBERS = Predictions(scores=np.linspace(0, 5, 30), labels=np.linspace(0, 5, 30))


@pytest.mark.parametrize(
    ("predictions", "rule", "reason"),
    [
        (CLASSES, "slice(rom).accuracy >= 1 %", "no column `rom`"),
        (CLASSES, "mse <= 1", "cannot be computed"),
        (CLASSES, "auc >= 50 %", "needs two classes"),
        (CLASSES, "top5 >= 50 %", "at least 6"),
        (NUMBERS, "accuracy >= 50 %", "cannot be computed"),
        (NUMBERS, "flip_rate <= 1 %", "flips need classes"),
        (NUMBERS, "slice(room).mse <= 1", "no column `room`"),
    ],
)
def test_a_rule_that_makes_no_sense_here_is_refused_with_its_text(predictions, rule, reason):
    (fault,) = unusable_rules(parse_rules([rule]), predictions)

    assert fault.message.startswith(f"rule `{rule}`: ")
    assert reason in fault.message
    assert fault.hint


def test_all_refusals_are_given_and_none_for_what_can_be_judged():
    rules = parse_rules(["mse <= 1", "accuracy >= 1 %", "slice(room).f1 >= 1 %", "top5 >= 1 %", "size <= 1 KB"])

    assert [fault.message.split("`")[1] for fault in unusable_rules(rules, CLASSES)] == ["mse <= 1", "top5 >= 1 %"]


def test_rules_for_other_targets_do_not_rest_on_these_predictions():
    assert unusable_rules(parse_rules(["mse <= 1 @ rpi4"]), CLASSES) == []


def test_without_labels_only_what_scores_tell_is_refused():
    bare = Predictions(scores=NUMBERS.scores)

    faults = unusable_rules(parse_rules(["flip_rate <= 1 %", "accuracy >= baseline"]), bare)

    assert [fault.message.split("`")[1] for fault in faults] == ["flip_rate <= 1 %"]
