"""The table of commands, the commands and the Makefile say the same of themselves."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

import edgeopt
from edgeopt.cli.main import COMMANDS, cli

_TARGET = re.compile(r"^([a-z][a-z0-9-]*):(?!=)(.*)$", re.MULTILINE)
_MAKE = re.compile(r"\bmake ([a-z][a-z0-9-]*)")


@pytest.fixture(scope="module")
def make_targets(root: Path) -> dict[str, str]:
    """Name -> what stands behind it, of every target that is no file."""
    return dict(_TARGET.findall((root / "Makefile").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says_of_itself(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)

    assert command is not None
    assert command.help is not None
    assert " ".join(command.help.split("\n\n")[0].split()) == COMMANDS[name][1]


def test_every_function_of_the_api_is_a_command() -> None:
    functions = [name for name in edgeopt.__all__ if name != "__version__"]

    assert [name for name in functions if name.removeprefix("plan_") not in COMMANDS] == []


def test_every_make_target_has_help(make_targets: dict[str, str]) -> None:
    assert [name for name, rest in make_targets.items() if not re.search(r"## \S", rest)] == []


def test_no_make_target_is_taken_for_a_file(root: Path, make_targets: dict[str, str]) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert phony is not None
    assert set(phony[1].split()) == set(make_targets)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "STYLE.md"])
def test_every_make_target_that_a_page_names_exists(root: Path, make_targets: dict[str, str], page: str) -> None:
    named = [
        name
        for line in re.findall(r"`[^`]*`|^\$ .*$", (root / page).read_text(encoding="utf-8"), re.MULTILINE)
        for name in _MAKE.findall(line)
    ]

    assert [name for name in named if name not in make_targets] == []


def test_the_readme_begins_with_the_two_commands(root: Path) -> None:
    first = re.search(r"```console\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)

    assert first is not None
    assert first[1] == "$ make demo\n$ make test\n"


def test_contributing_lists_every_make_target(root: Path, make_targets: dict[str, str]) -> None:
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert [name for name in make_targets if f"| `make {name}` |" not in text] == []
