"""The numbers of the schema are those of the module that LiteRT carries."""

from __future__ import annotations

import inspect
import re
from enum import IntEnum

import pytest
from ai_edge_litert import schema_py_generated as theirs

from edgeopt.graph.tflite import operators, schema

TABLES = {name: table for name, table in vars(schema).items() if inspect.isclass(table) and issubclass(table, IntEnum)}
TABLES.pop("IntEnum")


def their_fields(table: type) -> dict[str, int]:
    """Field number by name in capitals, read from the accessors: the vtable place of field k is 4 + 2 k."""
    fields = {}
    for name, function in vars(table).items():
        found = (
            re.search(r"_tab\.Offset\((\d+)\)", inspect.getsource(function)) if inspect.isfunction(function) else None
        )
        if found and not name.endswith(("AsNumpy", "Length", "IsNone")):
            fields[re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()] = (int(found[1]) - 4) // 2
    return fields


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_field_has_the_number_of_the_schema(name: str) -> None:
    theirs_of = their_fields(getattr(theirs, name))

    assert len(TABLES[name]) > 1
    assert {field.name: field.value for field in TABLES[name]} == {
        field.name: theirs_of[field.name] for field in TABLES[name]
    }


def test_every_operator_has_the_number_of_the_schema() -> None:
    known = {number: name for name, number in vars(theirs.BuiltinOperator).items() if not name.startswith("_")}

    assert known == operators.OPERATORS
    assert known[schema.CUSTOM] == "CUSTOM"


def test_every_element_type_has_the_number_and_the_size_of_the_schema() -> None:
    known = {number: name.lower() for name, number in vars(theirs.TensorType).items() if not name.startswith("_")}

    assert known.keys() == schema.TYPES.keys()
    for number, (dtype, bits) in schema.TYPES.items():
        if dtype == "object":
            assert known[number] in ("string", "resource", "variant")
            assert bits == 0
            continue
        assert dtype == known[number]
        digits = re.search(r"\d+", dtype)
        assert bits == (int(digits[0]) if digits else 8)  # bool alone has none


def test_the_other_constants_are_those_of_the_schema() -> None:
    assert theirs.QuantizationDetails.BlockwiseQuantization == schema.BLOCKWISE
    assert theirs.Model.ModelBufferHasIdentifier(b"\0\0\0\0" + schema.IDENTIFIER, 0)
