"""A profile with faults is refused with all of them at once, each by its key."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from edgeopt.core.target_file import faults_of_profile, profile_from_table, upgraded
from edgeopt.errors import InputError

TABLE: dict[str, Any] = {
    "schema": 2,
    "name": "board",
    "description": "A board",
    "cpu": {
        "architecture": "aarch64",
        "core": "cortex-a72",
        "isa": ["asimd"],
        "isa_source": "its manual",
        "dtypes": ["float32", "int8"],
        "dtypes_source": "its manual",
        "cores": {"value": 4, "source": "its manual"},
        "clock": {"value": "1.8 GHz", "source": "its manual"},
        "l1d": {"value": "32 KiB", "source": "its manual"},
        "l2": {"value": "1 MiB", "source": "its manual"},
    },
    "memory": {
        "ram": {"value": "2 GB", "source": "its box"},
        "bandwidth": {"value": "2.7 GB/s", "source": "memory", "verified": False},
    },
    "power": {"idle": {"value": "1.6 W", "source": "a meter"}, "load": {"value": "5 W", "source": "a meter"}},
    "runtime": {"name": "litert", "source": "a benchmark"},
    "quantization": {"policy": "mixed", "source": "a guess", "verified": False},
}
OLD: dict[str, Any] = {
    "schema": 1,
    "name": "board",
    "description": "A board",
    "cpu": {
        "architecture": "aarch64",
        "isa": ["asimd"],
        "isa_source": "its manual",
        "cores": {"value": 4, "source": "its manual"},
        "clock_ghz": {"value": 1.5, "source": "memory", "verified": False},
    },
    "memory": {"ram_gb": {"value": 2, "source": "its box"}},
}
MCU: dict[str, Any] = {
    "schema": 2,
    "name": "chip",
    "description": "A chip",
    "cpu": {
        "architecture": "armv8-m.main",
        "isa": ["dsp"],
        "isa_source": "its manual",
        "cores": {"value": 1, "source": "its manual"},
    },
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


def test_a_whole_profile_is_a_target_in_base_units() -> None:
    target = profile_from_table(TABLE, where="board.toml").as_target()

    assert (target.name, target.kind, target.core, target.dtypes) == (
        "board",
        "cpu",
        "cortex-a72",
        ("float32", "int8"),
    )
    assert {name: figure.value for name, figure in target.figures()} == {
        "cores": 4,
        "clock_hz": 1.8e9,
        "l1d_bytes": 32_768,
        "l2_bytes": 2**20,
        "bandwidth_bytes_per_second": 2.7e9,
        "ram_bytes": 2e9,
        "idle_w": 1.6,
        "load_w": 5,
    }
    assert [name for name, figure in target.figures() if not figure.verified] == ["bandwidth_bytes_per_second"]
    assert target.runtime is not None
    assert (target.runtime.name, target.runtime.source, target.runtime.verified) == ("litert", "a benchmark", True)
    assert (target.quantization.name, target.quantization.verified) == ("mixed", False)


def test_what_no_source_gives_may_be_left_out() -> None:
    target = profile_from_table(
        changed(memory=..., power=..., runtime=..., cpu__clock=..., cpu__l1d=..., cpu__l2=...), where="board.toml"
    ).as_target()

    assert [name for name, _ in target.figures()] == ["cores"]
    assert target.runtime is None


@pytest.mark.parametrize(
    ("architecture", "isa", "kind", "policy"),
    [
        ("x86_64", ["avx2"], "cpu", "mixed"),
        ("aarch64", ["asimd"], "cpu", "mixed"),
        ("armv7e-m", ["fp"], "mcu", "integer"),
        ("armv8-m.main", ["dsp"], "mcu", "integer"),
        ("ethos-u", [], "npu", "integer"),
    ],
)
def test_the_kind_follows_the_architecture_and_the_policy_the_kind(
    architecture: str, isa: list[str], kind: str, policy: str
) -> None:
    table = changed(cpu__architecture=architecture, cpu__isa=isa, quantization=...)
    target = profile_from_table(table, where="board.toml").as_target()

    assert (target.kind, target.quantization.name) == (kind, policy)
    assert target.quantization.source


def test_a_profile_may_want_integers_where_its_kind_does_not() -> None:
    target = profile_from_table(changed(quantization__policy="integer"), where="board.toml").as_target()

    assert target.is_integer_only


def test_schema_1_is_read_as_before() -> None:
    target = profile_from_table(OLD, where="board.toml").as_target()

    assert (target.name, target.kind, target.cores.value) == ("board", "cpu", 4)
    assert target.clock_hz is not None
    assert (target.clock_hz.value, target.clock_hz.source, target.clock_hz.verified) == (1.5e9, "memory", False)
    assert target.ram_bytes is not None
    assert target.ram_bytes.value == 2e9
    assert target.quantization.name == "mixed"


def test_an_upgrade_leaves_its_table_and_one_of_schema_2_alone() -> None:
    before = copy.deepcopy(OLD)

    assert upgraded(TABLE) is TABLE
    assert upgraded(OLD)["cpu"]["clock"]["value"] == "1.5 GHz"
    assert before == OLD


def test_faults_of_schema_1_are_told_with_the_names_that_its_keys_have_now() -> None:
    table = copy.deepcopy(OLD)
    table["memory"]["ram_gb"]["value"] = 0
    table["cpu"]["clock_ghz"] = {"value": "fast"}
    with pytest.raises(InputError) as caught:
        profile_from_table(table, where="board.toml")

    assert "`memory.ram.value` is `0 GB`: impossible for a memory" in caught.value.message
    assert "`cpu.clock.value` is `fast`: no figure" in caught.value.message
    assert "`cpu.clock.source` is missing" in caught.value.message
    assert "this file is of schema 1, whose `clock_ghz` and `ram_gb` read as `clock` and `ram`" in caught.value.hint


def test_all_faults_are_said_at_once() -> None:
    message = faults_of(
        changed(
            cpu__coers={"value": 4},
            cpu__cores={"value": -4},
            cpu__isa=["asimd", "asimdpp", "avx2"],
            cpu__clock__value=1.8,
            name=...,
            memory__ram__value="2 GHz",
            memory__bandwidth="fast",
            power__idle__value="9 W",
        )
    )

    assert message.startswith("`board.toml`: ")
    assert "unknown key `cpu.coers`, did you mean `cores`?" in message
    assert "`cpu.cores.source` is missing" in message
    assert "`cpu.cores.value` is `-4`: impossible for a count, which lies between 1 and 65536" in message
    assert (
        "`cpu.isa` is `['asimd', 'asimdpp', 'avx2']`: `asimdpp` is no flag of aarch64, did you mean `asimd" in message
    )
    assert "`asimddp`" in message
    assert "`avx2` is no flag of aarch64" in message
    assert '`cpu.clock.value` is `1.8`: a clock has no unit: write a number and a unit, as in "1.8 GHz"' in message
    assert "`name` is missing" in message
    assert "`memory.ram.value` is `2 GHz`: a memory has another unit" in message
    assert "`memory.bandwidth` is `fast`: a figure has its source beside it" in message
    assert "`power`: `idle` is more than `load`" in message


def test_the_list_of_faults_is_what_a_refusal_says() -> None:
    table = changed(name=..., cpu__cores__value="many")
    faults = faults_of_profile(table)

    assert len(faults) == 2
    assert faults_of(table) == "`board.toml`: " + "; ".join(faults)
    assert faults_of_profile(TABLE) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "many", None, -1, 0, 2.5, True, 1e300, 10**60, "4"])
def test_a_count_is_a_whole_positive_number(value: Any) -> None:
    assert f"`cpu.cores.value` is `{value}`: " in faults_of(changed(cpu__cores__value=value))


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (1.8, "a clock has no unit"),
        ("1.8", "a clock has no unit"),
        ("1.8 GB", "a clock has another unit"),
        ("1.8 Hertz", "no figure"),
        ("nan GHz", "no figure"),
        (None, "no figure"),
        (True, "no figure"),
        (["1.8 GHz"], "no figure"),
        ("1.8 THz", "no figure"),
        ("1.8 Hz", "impossible for a clock, which lies between 1.00 MHz and 10.0 GHz"),
        ("180 GHz", "impossible for a clock"),
        ("-1.8 GHz", "impossible for a clock"),
    ],
)
def test_a_clock_is_a_possible_number_with_its_unit(value: Any, fault: str) -> None:
    assert f"`cpu.clock.value` is `{value}`: {fault}" in faults_of(changed(cpu__clock__value=value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cpu__l1d", "32 GB"),
        ("cpu__l2", "1 B"),
        ("memory__ram", "2 B"),
        ("memory__ram", "10000000 GB"),
        ("memory__bandwidth", "1 B/s"),
        ("memory__bandwidth", "2.7 GB"),
        ("power__idle", "1000000 W"),
        ("power__load", "5 J"),
    ],
)
def test_an_impossible_figure_is_refused_by_its_key(key: str, value: str) -> None:
    assert f"`{key.replace('__', '.')}.value` is `{value}`" in faults_of(changed(**{f"{key}__value": value}))


@pytest.mark.parametrize("key", ["cpu", "memory", "power", "runtime", "quantization"])
def test_what_should_be_a_table_is_said_to_be_none(key: str) -> None:
    assert f"`{key}` is `3`: a table is wanted" in faults_of(changed(**{key: 3}))


def test_a_long_value_is_shortened() -> None:
    message = faults_of(changed(cpu__clock__value="9" * 1000))

    assert f"`cpu.clock.value` is `{'9' * 79}…`: " in message


def test_a_cache_is_no_larger_than_the_one_behind_it() -> None:
    assert "`l1d` is larger than `l2`, which lies behind it" in faults_of(changed(cpu__l1d__value="2 MiB"))


@pytest.mark.parametrize("source", ["", ...])
def test_types_that_run_fast_need_a_source(source: Any) -> None:
    assert "say where `dtypes` comes from" in faults_of(changed(cpu__dtypes_source=source))


def test_without_types_no_source_of_them_is_wanted() -> None:
    table = changed(cpu__dtypes=..., cpu__dtypes_source=...)

    assert profile_from_table(table, where="board.toml").as_target().dtypes == ()


def test_a_neural_processing_unit_cannot_mix() -> None:
    message = faults_of(changed(cpu__architecture="ethos-u", cpu__isa=[]))

    assert "a neural processing unit runs integers alone: its policy is `integer`" in message


def test_a_microcontroller_may_run_floats_where_its_owner_says_so() -> None:
    table = {**MCU, "quantization": {"policy": "mixed", "source": "its owner"}}

    assert not profile_from_table(table, where="chip.toml").as_target().is_integer_only


def test_a_figure_needs_a_source_that_says_something() -> None:
    assert "`cpu.cores.source` is ``" in faults_of(changed(cpu__cores__source=""))


@pytest.mark.parametrize("schema", [0, 3, "1", "2", True, None, 1.5])
def test_another_schema_is_refused(schema: Any) -> None:
    assert f"`schema` is `{schema}`" in faults_of(changed(schema=schema))


@pytest.mark.parametrize("name", ["", "My Board", "../x", "-x"])
def test_a_name_is_lower_case_letters_digits_and_hyphens(name: str) -> None:
    assert f"`name` is `{name}`" in faults_of(changed(name=name))


def test_no_profile_may_pose_as_this_machine() -> None:
    message = faults_of(changed(name="host"))

    assert message == "`board.toml`: `name` is `host`: that name is kept for the machine that edgeopt runs on"


def test_an_unknown_architecture_is_refused_with_those_known() -> None:
    message = faults_of(changed(cpu__architecture="riscv64"))

    assert "Input should be 'x86_64', 'aarch64', 'armv7e-m', 'armv8-m.main' or 'ethos-u'" in message
