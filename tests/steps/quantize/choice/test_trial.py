"""Candidates are judged on samples that they were not made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeopt.core.dataset import Dataset
from edgeopt.steps.quantize.choice.trial import Trial, parts_of


def dataset(count: int, **shape: tuple[int, ...]) -> Dataset:
    generator = np.random.default_rng(0)
    inputs = {name: generator.standard_normal((count, *axes)).astype(np.float32) for name, axes in shape.items()}
    return Dataset(inputs=inputs, source="normal samples", indices=np.arange(count))


def noisy(model: Any, factor: float) -> Any:
    """`model` with every constant scaled."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for tensor in changed.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            tensor.CopyFrom(onnx.numpy_helper.from_array(array * np.float32(factor), tensor.name))
    return changed


def test_parts_are_disjoint_and_hold_every_sample() -> None:
    parts = parts_of(dataset(201, x=(3,)))

    assert parts.held_back is not None
    together = np.concatenate([parts.fit.indices, parts.held_back.indices])
    assert sorted(together.tolist()) == list(range(201))
    assert len(parts.held_back) == 100


@pytest.mark.parametrize("count", [1, 7])
def test_few_samples_are_all_for_the_fit(count: int) -> None:
    parts = parts_of(dataset(count, x=(3,)))

    assert len(parts.fit) == count
    assert parts.held_back is None


def test_the_model_itself_scores_what_float32_resolves_and_a_worse_one_less(small_models: Any) -> None:
    model = small_models.mlp()
    trial = Trial(model, dataset(20, x=(3,)))

    close, far = trial.score(noisy(model, 1.001)).db, trial.score(noisy(model, 1.1)).db

    assert trial.score(model).db == 150.0
    assert 150 > close > far
    assert close - far == pytest.approx(40, abs=4)


def test_a_fixed_batch_is_filled_and_its_copies_do_not_count(small_models: Any) -> None:
    model = small_models.conv_fixed_batch()
    shape = tuple(axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim)
    free = small_models.conv()
    data = dataset(5, **{model.graph.input[0].name: shape[1:]})

    assert Trial(model, data).score(noisy(model, 1.01)).db == pytest.approx(
        Trial(free, data).score(noisy(free, 1.01)).db, abs=1e-3
    )


def test_probabilities_are_judged_by_what_the_softmax_reads(small_models: Any) -> None:
    weight = np.eye(3, dtype=np.float32) * 40  # probabilities of 0 and 1, which hardly move
    plain = helper.make_node("MatMul", ["x", "w"], ["logits"])
    softmax = helper.make_node("Softmax", ["logits"], ["p"], axis=-1)
    value, constants = small_models.value, small_models.constants
    logits = small_models.model([plain], [value("x", "batch", 3)], [value("logits", "batch", 3)], constants(w=weight))
    squashed = small_models.model(
        [plain, softmax], [value("x", "batch", 3)], [value("p", "batch", 3)], constants(w=weight)
    )
    data = dataset(16, x=(3,))

    assert Trial(squashed, data).score(noisy(squashed, 1.01)).db == pytest.approx(
        Trial(logits, data).score(noisy(logits, 1.01)).db, abs=1e-3
    )


def test_a_candidate_that_gives_no_number_scores_minus_infinity(small_models: Any) -> None:
    model = small_models.mlp()

    assert Trial(model, dataset(8, x=(3,))).score(noisy(model, np.nan)).db == -np.inf


def test_outputs_of_integers_do_not_count(small_models: Any) -> None:
    node = helper.make_node("ArgMax", ["x"], ["best"], axis=1)
    value = small_models.value
    model = small_models.model(
        [node], [value("x", "batch", 3)], [value("best", "batch", 1, dtype=TensorProto.INT64)], []
    )

    assert Trial(model, dataset(8, x=(3,))).score(model).db == 150.0
