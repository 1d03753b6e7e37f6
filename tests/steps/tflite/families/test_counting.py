"""TfIdfVectorizer of numbers against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from tests.steps.tflite.models import one_node
from tests.steps.tflite.running import assert_same, lowered_model

POOL = [2, 3, 5, 4, 5, 6, 7, 8, 6, 7]  # three tokens alone, two pairs, one group of three
COUNTS = [0, 3, 7]


def model_of(x, **attributes):
    given = {"min_gram_length": 1, "max_gram_length": 3, "max_skip_count": 1, "mode": "TF", "ngram_counts": COUNTS}
    given |= {"ngram_indexes": [0, 1, 2, 3, 4, 5], "pool_int64s": POOL}
    return one_node("TfIdfVectorizer", {"x": x}, {}, **{**given, **attributes})


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
@pytest.mark.parametrize("lengths", [(1, 1), (1, 3), (2, 2), (2, 3)])
@pytest.mark.parametrize("skips", [0, 1, 5])
@pytest.mark.parametrize("shape", [(12,), (2, 9)])
def test_groups_are_counted_at_every_distance(mode, lengths, skips, shape):
    x = np.random.default_rng(1).integers(2, 9, shape).astype(np.int32)
    given = {"min_gram_length": lengths[0], "max_gram_length": lengths[1], "max_skip_count": skips, "mode": mode}

    assert_same(model_of(x, **given, weights=[1.0, 2.0, 0.5, 3.0, 1.5, 4.0]), {"x": x})


def test_an_output_that_no_group_has_is_zero():
    x = np.array([2, 3, 4, 5], np.int64)

    assert_same(model_of(x, ngram_indexes=[3, 0, 7, 2, 6, 1]), {"x": x})


def test_words_are_refused():
    model = model_of(np.array([1, 2], np.int64))
    attributes = [each for each in model.graph.node[0].attribute if each.name != "pool_int64s"]
    del model.graph.node[0].attribute[:]
    model.graph.node[0].attribute.extend(attributes)
    from edgeopt.steps.tflite.lower import lowered

    with pytest.raises(Unsupported, match="counts groups of words"):
        lowered(model, where="test.onnx")


def test_weights_in_another_order_are_refused():
    model = model_of(np.array([1, 2], np.int64), ngram_indexes=[1, 0, 2, 3, 4, 5], mode="IDF", weights=[1.0] * 6)

    with pytest.raises(Unsupported, match="not in the order of the outputs"):
        lowered_model(model)
