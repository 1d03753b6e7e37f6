"""Large constants are set apart and put back without being copied."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeopt.graph import apart
from edgeopt.graph.agreement import Verdict, agreement
from edgeopt.graph.apart import set_apart


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_SMALLEST_BYTES", 40)


def test_a_light_model_takes_its_constants_as_inputs(small_models: Any, outputs_of: Any) -> None:
    model = small_models.mlp()
    samples = np.ones((2, 3), np.float32)

    found = set_apart(model)

    assert sorted(found.constants) == ["first"]
    assert [value.name for value in found.light.graph.input] == ["x", "first"]
    given = outputs_of(found.light, {"x": samples, **found.arrays()})
    np.testing.assert_array_equal(given["scores"], outputs_of(model, {"x": samples})["scores"])


def test_constants_come_back_and_those_that_nothing_reads_do_not(small_models: Any) -> None:
    model = small_models.mlp()
    found = set_apart(model)

    whole = found.with_constants(found.light)

    assert [value.name for value in whole.graph.input] == ["x"]
    assert agreement(model, whole).verdict is Verdict.EQUAL
    unread = set_apart(model)
    unread.light.graph.node[0].input[1] = "second"
    assert "first" not in {tensor.name for tensor in unread.with_constants(unread.light).graph.initializer}


def test_models_agree_at_the_one_value_of_their_constants(small_models: Any) -> None:
    found = set_apart(small_models.mlp())
    other = set_apart(small_models.mlp()).light
    other.graph.node[1].op_type = "Sigmoid"

    assert agreement(found.light, found.light, fixed=found.arrays()).verdict is Verdict.EQUAL
    assert agreement(found.light, other, fixed=found.arrays()).verdict is Verdict.DIFFERENT
