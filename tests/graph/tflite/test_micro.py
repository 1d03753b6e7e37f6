"""The operators of TFLite Micro are those that its interpreter finds."""

from dataclasses import replace

import pytest
from ai_edge_litert import schema_py_generated as schema

from edgeopt.graph.tflite.kernels import KERNELS
from edgeopt.graph.tflite.micro import MICRO_CUSTOM_OPERATORS, MICRO_OPERATORS, REFUSED_TYPES
from edgeopt.graph.tflite.operators import OPERATORS
from tests.graph.tflite.micro_models import single_models
from tests.graph.tflite.recorded import complaint, refusal
from tests.small_tflite import Operator, Small, Tensor

ABSENT = "UNIQUE"
FLOATS = {label: model for label, model in single_models().items() if label.endswith(" float32")}
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


@pytest.mark.parametrize("dtype", REFUSED_TYPES)
def test_types_that_the_table_refuses_are_just_those_that_the_interpreter_refuses(dtype: str) -> None:
    told = {label.split()[0]: bool(refusal(in_type(model, dtype).content())) for label, model in FLOATS.items()}
    assert {kind for kind, is_refused in told.items() if is_refused} == REFUSED_TYPES[dtype] & told.keys()
    assert REFUSED_TYPES[dtype] <= told.keys()
    assert told.keys() == KERNELS.keys() - {"QUANTIZE", "DEQUANTIZE", "CAST"}


def in_type(model: Small, dtype: str) -> Small:
    """A model of float32 with another type in its place, with scales where it is int8."""
    own = single_models().get(f"{model.operators[0].kind} int8") if dtype == "int8" else None
    return own or replace(model, tensors=[_in_type(one, dtype) for one in model.tensors])


def _in_type(tensor: Tensor, dtype: str) -> Tensor:
    if tensor.dtype != "float32":
        return tensor
    data = None if tensor.data is None else tensor.data.astype(dtype)
    return replace(tensor, dtype=dtype, data=data, scales=[0.1] if dtype == "int8" else [])
