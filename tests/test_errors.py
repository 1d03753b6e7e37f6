"""Every expected failure has an exit code of its own, a message and a hint."""

from __future__ import annotations

import pytest

from edgeopt import errors


@pytest.mark.parametrize(
    ("leaf", "code"),
    [
        (errors.InputError, 2),
        (errors.GateFailed, 3),
        (errors.GateUndecided, 4),
        (errors.ExtraMissing, 5),
        (errors.Unsupported, 6),
        (errors.ToolFailed, 7),
    ],
)
def test_each_leaf_has_the_exit_code_that_the_tree_promises(leaf: type[errors.EdgeoptError], code: int) -> None:
    assert leaf.exit_code == code
    assert f"{leaf.__name__} " in str(errors.__doc__)
    assert any(line.split()[1:3] == [leaf.__name__, str(code)] for line in str(errors.__doc__).splitlines())


def test_no_two_leaves_share_an_exit_code_or_take_that_of_a_bug() -> None:
    codes = [leaf.exit_code for leaf in errors.EdgeoptError.__subclasses__()]

    assert len(set(codes)) == len(codes)
    assert not {0, errors.BUG_EXIT_CODE} & set(codes)


def test_an_error_carries_its_message_and_its_hint() -> None:
    error = errors.InputError("`x` is bad", hint="write y")

    assert str(error) == error.message == "`x` is bad"
    assert error.hint == "write y"
    assert errors.InputError("`x` is bad").hint == ""


def test_a_misspelt_name_gets_the_nearest_known_ones() -> None:
    assert errors.near_names("RPI-4", ["rpi4", "host"]) == "did you mean `rpi4`?"
    assert errors.near_names("rpi", ["rpi3", "rpi4", "host"]) == "did you mean `rpi4` or `rpi3`?"


def test_a_name_near_to_nothing_gets_the_whole_list() -> None:
    assert errors.near_names("zzz", ["rpi4", "host"]) == "known: host, rpi4"
