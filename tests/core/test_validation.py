"""What is wrong in a file that people write is said in their words."""

from __future__ import annotations

import pytest
from pydantic import Field, field_validator

from edgeopt.core.validation import StrictModel, validated
from edgeopt.errors import InputError


class Room(StrictModel):
    size: float = 1.0
    lamps: int = Field(default=1, alias="lights")

    @field_validator("size")
    @classmethod
    def _is_even(cls, size: float) -> float:
        if size % 2:
            raise ValueError("rooms are even")
        return size


class House(StrictModel):
    kitchen: Room | None = None
    rooms: list[Room] = Field(default_factory=list)


def faults_of(table: dict[str, object]) -> str:
    """What is said about a table that does not fit a house."""
    with pytest.raises(InputError) as caught:
        validated(House, table, where="house.toml")
    return caught.value.message.removeprefix("`house.toml`: ")


def test_a_table_that_fits_is_given_as_the_model() -> None:
    house = validated(House, {"rooms": [{"size": 2, "lights": 3}]}, where="house.toml")

    assert house.rooms == [Room(size=2, lights=3)]


def test_an_unknown_key_gets_the_near_one_of_its_own_table() -> None:
    assert faults_of({"kitchn": {}}) == "unknown key `kitchn`, did you mean `kitchen`?"
    assert faults_of({"kitchen": {"sise": 2}}) == "unknown key `kitchen.sise`, did you mean `size`?"


def test_an_unknown_key_is_compared_with_the_names_in_the_file() -> None:
    assert faults_of({"kitchen": {"light": 2}}) == "unknown key `kitchen.light`, did you mean `lights`?"


def test_an_unknown_key_near_to_nothing_gets_no_guess() -> None:
    assert faults_of({"kitchen": {"zzz": 2}}) == "unknown key `kitchen.zzz`"


def test_an_entry_of_a_list_is_named_by_its_number() -> None:
    assert faults_of({"rooms": [{}, {"sise": 2}]}) == "unknown key `rooms.1.sise`, did you mean `size`?"


def test_a_rule_of_our_own_is_said_without_jargon() -> None:
    assert faults_of({"kitchen": {"size": 3}}) == "`kitchen.size` is `3`: rooms are even"


def test_nan_is_no_number() -> None:
    assert "`kitchen.size` is `nan`" in faults_of({"kitchen": {"size": float("nan")}})
