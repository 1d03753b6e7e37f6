"""The operators of TFLite Micro are those that its interpreter finds."""

import pytest
from ai_edge_litert import schema_py_generated as schema

from edgeopt.graph.tflite.micro import FLOAT_OPERATORS, KERNELS, MICRO_CUSTOM_OPERATORS, MICRO_OPERATORS
from edgeopt.graph.tflite.operators import OPERATORS
from tests.graph.tflite.micro_models import tensor_at
from tests.graph.tflite.recorded import complaint
from tests.small_tflite import Operator, Small, Tensor

ABSENT = "UNIQUE"
ASKED = sorted(
    name
    for name in OPERATORS.values()
    if hasattr(schema.BuiltinOperator, name)
    # The interpreter's own Python reads the options of VAR_HANDLE before it looks for operators.
    and name not in {ABSENT, "CUSTOM", "PLACEHOLDER_FOR_GREATER_OP_CODES", "VAR_HANDLE"}
)


def is_found(operator: Operator) -> bool:
    """Whether the interpreter gets past an operator to one that it lacks; it looks for all before it runs any."""
    model = Small(
        tensors=[Tensor(name="a", shape=(1, 4)), Tensor(name="b", shape=(1, 4))],
        operators=[operator, Operator(kind=ABSENT, inputs=["a"], outputs=["b"])],
        inputs=["a"],
        outputs=["b"],
    )
    return f"'{ABSENT}'" in complaint(model.content())


def test_the_table_holds_just_the_operators_that_it_finds() -> None:
    found = {name for name in ASKED if is_found(Operator(kind=name, inputs=["a"], outputs=["b"]))}
    assert found == MICRO_OPERATORS - {"VAR_HANDLE"}


def test_the_custom_operators_of_the_table_are_found_and_others_are_not() -> None:
    for name in sorted(MICRO_CUSTOM_OPERATORS):
        assert is_found(Operator(custom=name, inputs=["a"], outputs=["b"])), name
    assert not is_found(Operator(custom="FlexErf", inputs=["a"], outputs=["b"]))


def test_an_operator_that_the_table_lacks_is_complained_of() -> None:
    model = Small(
        tensors=[Tensor(name="a", shape=(1, 4)), Tensor(name="b", shape=(1, 4))],
        operators=[Operator(kind=ABSENT, inputs=["a"], outputs=["b"])],
        inputs=["a"],
        outputs=["b"],
    )
    assert f"'{ABSENT}'" in complaint(model.content())


def test_kernels_of_the_table_are_operators_that_it_has() -> None:
    assert KERNELS.keys() <= MICRO_OPERATORS


@pytest.mark.parametrize("kind", sorted(FLOAT_OPERATORS))
def test_an_operator_for_floats_alone_refuses_int8(kind: str) -> None:
    shape = (1, 4, 4, 8)
    model = Small(
        tensors=[tensor_at("x", shape, "int8"), tensor_at("y", shape, "int8")],
        operators=[Operator(kind=kind, inputs=["x"], outputs=["y"], options=_pool(kind))],
        inputs=["x"],
        outputs=["y"],
    )
    assert "kTfLiteFloat32 (INT8 != FLOAT32)" in complaint(model.content())


def _pool(kind: str) -> tuple[str, dict[str, int]] | None:
    sizes = {"strideW": 1, "strideH": 1, "filterWidth": 1, "filterHeight": 1}
    return ("Pool2DOptions", sizes) if kind == "L2_POOL_2D" else None
