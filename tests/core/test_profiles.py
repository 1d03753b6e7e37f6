"""Targets are this machine, the shipped profiles, and profiles of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgeopt.core.host import host_processor
from edgeopt.core.profiles import load_target, target_from_toml, target_names
from edgeopt.core.target import HOST
from edgeopt.errors import InputError

PROFILE = """
schema = 1
name = "my-board"
description = "A board of mine"
[cpu]
architecture = "aarch64"
isa = ["asimd"]
isa_source = "its manual"
cores = { value = 4, source = "its manual" }
clock_ghz = { value = 1.5, source = "memory", verified = false }
[memory]
ram_gb = { value = 2, source = "its box" }
"""


def test_the_host_is_what_was_detected() -> None:
    host = load_target(HOST)

    assert host.is_host
    assert host.architecture == host_processor().architecture
    assert host.isa == host_processor().isa
    assert host.cores.value == host_processor().cores
    assert host.isa_source == host.cores.source == "detected"
    assert {figure.source for _, figure in host.figures()} == {"detected"}
    assert host.runtime is not None
    assert not host.is_integer_only


def test_the_host_comes_first_among_the_names() -> None:
    names = target_names()

    assert names[0] == HOST
    assert names[1:] == sorted(names[1:])
    assert {"rpi3", "rpi4", "rpi5", "rpi-zero2w", "jetson-nano", "orin-nano"} <= set(names)
    assert {"pixel-a55", "pixel-a76", "pixel-a78", "pixel-x1", "x86-64-avx2", "x86-64-vnni", "n100"} <= set(names)
    assert {"stm32l4r5", "stm32h7", "stm32u5", "nrf5340", "ethos-u55"} <= set(names)


@pytest.mark.parametrize("name", target_names()[1:])
def test_every_shipped_profile_is_whole_and_tells_its_sources(name: str) -> None:
    target = load_target(name)

    assert target.name == name
    assert not target.is_host
    assert target.description
    assert target.isa_source
    assert target.clock_hz is not None
    assert all(figure.source for _, figure in target.figures())
    assert target.runtime is not None
    assert target.runtime.source
    assert target.quantization.source
    assert target.dtypes_source
    assert {"flash_bytes", "ram_bytes"} <= {key for key, _ in target.figures()} or target.kind != "mcu"


@pytest.mark.parametrize("name", target_names()[1:])
def test_what_a_shipped_profile_has_from_memory_is_marked_so(name: str) -> None:
    target = load_target(name)

    assert [key for key, figure in target.figures() if "from memory" in figure.source and figure.verified] == []
    assert "from memory" not in target.isa_source or not target.isa_verified


def test_dot_products_of_bytes_are_told_by_the_instructions() -> None:
    having = {name for name in target_names()[1:] if load_target(name).has_int8_dot_product}

    assert {"rpi5", "orin-nano", "n100", "x86-64-vnni", "pixel-a55", "ethos-u55"} <= having
    assert not having & {"rpi-zero2w", "rpi3", "rpi4", "jetson-nano", "x86-64-avx2", "stm32l4r5", "stm32h7", "nrf5340"}


def test_a_profile_is_read_in_hertz_and_bytes() -> None:
    target = target_from_toml(PROFILE, where="my.toml")

    assert target.cores.value == 4
    assert target.clock_hz is not None
    assert (target.clock_hz.value, target.clock_hz.verified) == (1.5e9, False)
    assert target.ram_bytes is not None
    assert (target.ram_bytes.value, target.ram_bytes.source) == (2e9, "its box")


def test_a_profile_of_the_users_own_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "my-board.toml"
    path.write_text(PROFILE)

    assert load_target(str(path)).name == "my-board"


@pytest.mark.parametrize(
    ("name", "hint"), [("rpi-4", "did you mean `rpi4`"), ("rp5", "`rpi5`"), ("???", "known: ethos-u55, host, ")]
)
def test_an_unknown_target_is_refused_with_its_near_names(name: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        load_target(name)

    assert caught.value.message == f"unknown target `{name}`"
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["../rpi4", "__init__", "rpi4/", ""])
def test_a_name_is_no_path_into_the_package(name: str) -> None:
    with pytest.raises(InputError, match="unknown target"):
        load_target(name)


def test_a_missing_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"target profile `.*no\.toml` does not exist"):
        load_target(str(tmp_path / "no.toml"))


def test_a_profile_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"target profile `.*board\.toml` cannot be read"):
        load_target(str(path))


def test_a_fifo_as_profile_does_not_block(
    fifo: Callable[[str], Path], ends_soon: Callable[[Callable[[], object]], None]
) -> None:
    path = fifo("board.toml")
    with pytest.raises(InputError, match="is not a regular file"):
        ends_soon(lambda: load_target(str(path)))


@pytest.mark.parametrize(
    "text",
    ["schema = ", "schema = 1\nschema = 1", "a = " + "[" * 10_000, "a = " + "1" * 10_000],
    ids=lambda text: text[:20],
)
def test_what_is_not_toml_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"target profile `my\.toml` is not TOML: "):
        target_from_toml(text, where="my.toml")
