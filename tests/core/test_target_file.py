"""A profile with faults is refused with all of them at once, each by its key."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from edgeopt.core.target_file import profile_from_table
from edgeopt.errors import InputError

TABLE: dict[str, Any] = {
    "schema": 1,
    "name": "board",
    "description": "A board",
    "cpu": {
        "architecture": "aarch64",
        "isa": ["asimd"],
        "isa_source": "its manual",
        "cores": {"value": 4, "source": "its manual"},
    },
    "memory": {"ram_gb": {"value": 2, "source": "its box"}},
}


def changed(**changes: Any) -> dict[str, Any]:
    """`TABLE` with dotted keys set to other values (`__` for the dot), or taken out where the value is `...`."""
    table = copy.deepcopy(TABLE)
    for key, value in changes.items():
        *tables, last = key.split("__")
        inner = table
        for name in tables:
            inner = inner[name]
        if value is ...:
            del inner[last]
        else:
            inner[last] = value
    return table


def faults_of(table: dict[str, Any]) -> str:
    """What is said about a table that does not fit."""
    with pytest.raises(InputError) as caught:
        profile_from_table(table, where="board.toml")
    assert caught.value.hint
    return caught.value.message


def test_a_whole_profile_is_a_target() -> None:
    target = profile_from_table(TABLE, where="board.toml").as_target()

    assert (target.name, target.cores.value, target.clock_hz) == ("board", 4, None)
    assert target.ram_bytes is not None
    assert target.ram_bytes.value == 2e9


def test_memory_and_clock_may_be_unknown() -> None:
    target = profile_from_table(changed(memory=...), where="board.toml").as_target()

    assert target.ram_bytes is None
    assert target.clock_hz is None


def test_all_faults_are_said_at_once() -> None:
    message = faults_of(changed(cpu__coers={"value": 4}, cpu__cores={"value": -4}, name=..., memory__ram_gb__value=0))

    assert message.startswith("`board.toml`: ")
    assert "unknown key `cpu.coers`, did you mean `cores`?" in message
    assert "`cpu.cores.source` is missing" in message
    assert "`cpu.cores.value` is `-4`: Input should be greater than 0" in message
    assert "`name` is missing" in message
    assert "`memory.ram_gb.value` is `0`: Input should be greater than 0" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "many", None, -1, 0])
def test_a_figure_is_a_finite_positive_number(value: Any) -> None:
    assert f"`cpu.cores.value` is `{value}`: " in faults_of(changed(cpu__cores__value=value))


def test_a_figure_needs_a_source_that_says_something() -> None:
    assert "`cpu.cores.source` is ``" in faults_of(changed(cpu__cores__source=""))


@pytest.mark.parametrize("schema", [0, 2, "1"])
def test_another_schema_is_refused(schema: Any) -> None:
    assert f"`schema` is `{schema}`" in faults_of(changed(schema=schema))


@pytest.mark.parametrize("name", ["", "My Board", "../x", "-x"])
def test_a_name_is_lower_case_letters_digits_and_hyphens(name: str) -> None:
    assert f"`name` is `{name}`" in faults_of(changed(name=name))


def test_no_profile_may_pose_as_this_machine() -> None:
    message = faults_of(changed(name="host"))

    assert message == "`board.toml`: `name` is `host`: that name is kept for the machine that edgeopt runs on"


def test_an_unknown_architecture_is_refused_with_those_known() -> None:
    assert "Input should be 'x86_64' or 'aarch64'" in faults_of(changed(cpu__architecture="riscv64"))
