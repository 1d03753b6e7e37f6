"""Scratch memory of CMSIS-NN, by the sizes that its sources state."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgeopt.graph.tflite.arena import plan_arena
from edgeopt.graph.tflite.cmsis import scratch_with_cmsis
from edgeopt.graph.tflite.model import TfliteModel
from edgeopt.graph.tflite.read import read_tflite
from tests.graph.tflite.micro_models import single_models

SINGLE = single_models()


def scratch_of(model: TfliteModel, *, has_vectors: bool) -> tuple[int, ...]:
    """Bytes of each scratch buffer of the model's one operator."""
    graph = model.graphs[0]
    return tuple(scratch_with_cmsis(has_vectors=has_vectors)(graph, graph.operators[0]))


@pytest.mark.parametrize(
    ("label", "dsp", "vectors"),
    [
        ("CONV_2D int8", (2 * 72 * 2,), (4 * 80,)),  # 3 x 3 x 8 = 72 values, 80 in whole vectors of 16
        ("DEPTHWISE_CONV_2D int8", (8 * 9 * 2,), (4 * 124 * 9,)),
        ("FULLY_CONNECTED int8", (), (4 * 16,)),
        ("AVERAGE_POOL_2D int8", (4 * 8,), ()),
        ("MAX_POOL_2D int8", (), ()),
        ("TRANSPOSE_CONV int8", (4 * 8 * 8 * 16,), (4 * 8 * 8 * 16,)),  # the reference kernel's alone
        ("CONV_2D float32", (), ()),
    ],
)
def test_sizes_are_those_of_the_library(
    save: Callable[..., Path], label: str, dsp: tuple[int, ...], vectors: tuple[int, ...]
) -> None:
    model = read_tflite(save(SINGLE[label]))
    assert scratch_of(model, has_vectors=False) == dsp
    assert scratch_of(model, has_vectors=True) == vectors


@pytest.mark.parametrize("has_vectors", [False, True])
@pytest.mark.parametrize("label", SINGLE)
def test_it_never_takes_less_than_the_reference_kernels(
    save: Callable[..., Path], label: str, has_vectors: bool
) -> None:
    model = read_tflite(save(SINGLE[label]))
    fast = plan_arena(model, scratch=scratch_with_cmsis(has_vectors=has_vectors))
    assert fast.used_bytes >= plan_arena(model).used_bytes
