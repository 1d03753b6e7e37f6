"""Corrections are decided stage by stage, and kept only where trials come out better."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.steps.quantize.choice.choose import SMALLEST_GAIN_DB, Choice, Wishes, choose
from edgeopt.steps.quantize.choice.trial import Score


def of(db: float) -> Score:
    """A score of which both views are the same."""
    return Score(together_db=db, samples_db=np.full(4, db))


FIELDS = tuple(Choice.__dataclass_fields__)
RANGES = [{"range": "percentile"}, {"range": "entropy"}, {"range": "mse"}]


def test_of_a_stage_the_best_alternative_is_kept_and_the_next_stage_builds_on_it() -> None:
    scores = {("minmax", "nearest"): 30.0, ("mse", "nearest"): 33.0, ("entropy", "nearest"): 32.0}
    scores |= {("percentile", "nearest"): 20.0, ("mse", "gptq"): 36.0}

    best, tried = choose(
        Choice(), [RANGES, [{"rounding": "gptq"}]], lambda choice: of(scores[(choice.range, choice.rounding)])
    )

    assert best == Choice(range="mse", rounding="gptq")
    assert [(one.change, one.is_kept) for one in tried] == [
        ({"range": "percentile"}, False),
        ({"range": "entropy"}, False),
        ({"range": "mse"}, True),
        ({"rounding": "gptq"}, True),
    ]
    assert [one.before_db for one in tried] == [30.0, 30.0, 30.0, 33.0]


def test_a_gain_within_the_noise_of_trials_is_not_kept() -> None:
    best, tried = choose(
        Choice(),
        [[{"rounding": "gptq"}]],
        lambda choice: of(30.0 + (choice.rounding == "gptq") * 0.99 * SMALLEST_GAIN_DB),
    )

    assert best == Choice()
    assert not tried[0].is_kept


@given(st.data())
def test_the_choice_never_scores_below_its_start(data: st.DataObject) -> None:
    stages = Wishes().stages(can_equalize=True, can_smooth=True, can_clip_weights=True)
    scores: dict[Choice, Score] = {}

    def score(choice: Choice) -> Score:
        if choice not in scores:
            together = data.draw(st.floats(-50, 100))
            samples = data.draw(st.lists(st.floats(-50, 100), min_size=4, max_size=4))
            scores[choice] = Score(together_db=together, samples_db=np.array(samples))
        return scores[choice]

    best, tried = choose(Choice(), stages, score)

    assert scores[best].db >= scores[Choice()].db
    assert scores[best].together_db >= scores[Choice()].together_db
    assert scores[best].samples_db.mean() >= scores[Choice()].samples_db.mean()
    assert len(tried) == sum(map(len, stages))
    kept = {field: value for one in tried if one.is_kept for field, value in one.change.items()}
    assert {field: getattr(best, field) for field in kept} == kept
    assert all(getattr(best, field) == getattr(Choice(), field) for field in FIELDS if field not in kept)


def test_what_the_user_fixed_is_never_tried() -> None:
    wishes = Wishes(equalize=False, smooth=True, range="mse", weight_range="mse", rounding="adaround")

    start = wishes.start(per_channel=True, has_trial=True)
    stages = wishes.stages(can_equalize=True, can_smooth=True, can_clip_weights=True)

    assert start == Choice(equalize=False, smooth=True, range="mse", weight_range="mse", rounding="adaround")
    assert stages == [[{"correct_bias": True}]]  # the only one left open


def test_without_samples_to_try_on_only_one_scale_per_weight_is_equalized() -> None:
    assert Wishes().start(per_channel=True, has_trial=False) == Choice()
    assert Wishes().start(per_channel=False, has_trial=False) == Choice(equalize=True)
    assert Wishes(equalize=False).start(per_channel=False, has_trial=False) == Choice()


def test_what_helps_most_samples_and_ruins_one_is_not_kept() -> None:
    plain = Score(together_db=20.0, samples_db=np.array([20.0, 20.0, 20.0, 20.0]))
    clipped = Score(together_db=12.0, samples_db=np.array([30.0, 30.0, 30.0, 9.0]))

    best, _ = choose(Choice(), [[{"range": "mse"}]], lambda choice: clipped if choice.range == "mse" else plain)

    assert best == Choice()


def test_samples_that_do_not_agree_decide_nothing() -> None:
    plain = Score(together_db=20.0, samples_db=np.array([20.0, 20.0, 20.0, 20.0]))
    mixed = Score(together_db=22.0, samples_db=np.array([31.0, 12.0, 29.0, 10.0]))

    assert mixed.samples_db.mean() > plain.samples_db.mean()
    assert choose(Choice(), [[{"equalize": True}]], lambda one: mixed if one.equalize else plain)[0] == Choice()
