"""What the pages show works as shown.

Every `$ edgeopt ...` of a `console` block runs, with exit code 0 or the number behind `$ echo $?`, and prints the lines
shown below it, as far as their first column goes. Every `python` block runs. Each block has a folder of its own that
holds the bundled model and its data, as `edgeopt demo` leaves them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What measures takes seconds.
_MEASURING = re.compile(r"\b(?:edgeopt (?:demo|gate|bench|quantize)|make demo|edgeopt\.(?:gate|bench|quantize)\()")
_NOT_MEASURING = re.compile(r"--no-measure|measure=False|gate --plan")
# What a make target runs, when it has set up what it needs.
_SAME = {"make demo": "edgeopt demo"}
# Commands of ours, with variables before them where there are any.
_OURS = re.compile(r"(?:[A-Z_]+=\S* )*edgeopt ")
_TIMEOUT_SECONDS = 300


@dataclass
class Shown:
    """A command of a console block, the exit code and the output that the page promises."""

    command: str
    code: int = 0
    lines: list[str] = field(default_factory=list)


def _blocks(language: str) -> list[Any]:
    blocks = []
    for page in _PAGES:
        found = [body for kind, body in _BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]
        for number, body in enumerate(found, start=1):
            is_slow = any(_MEASURING.search(line) and not _NOT_MEASURING.search(line) for line in body.splitlines())
            marks = [pytest.mark.slow] if is_slow else []
            blocks.append(pytest.param(body, id=f"{page.stem}-{number}", marks=marks))
    return blocks


def _commands(block: str) -> list[Shown]:
    """The commands of a console block that are edgeopt's."""
    shown: list[Shown] = []
    for line in block.splitlines():
        command = line.removeprefix("$ ")
        if line == "$ echo $?":
            shown.append(Shown(command="exit code"))
        elif line.startswith("$ "):
            shown.append(Shown(command=_SAME.get(command, command)))
        elif shown and shown[-1].command == "exit code":
            shown.pop()
            shown[-1].code = int(line)
        elif shown:
            shown[-1].lines.append(line)
    return [entry for entry in shown if _OURS.match(entry.command)]


def _first_column(line: str) -> str:
    """What a line begins with: figures change from machine to machine, and `...` stands for what is left out."""
    return re.split(r"\s{2,}|\d|\.\.\.", line.strip())[0].strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the bundled model and data."""
    for name in ("digits_resnet8.onnx", "digits.npz"):
        shutil.copyfile(ROOT / "models" / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def variables() -> dict[str, str]:
    """Environment variables under which `edgeopt` is the one under test; its record lies where pages say."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    kept = {name: value for name, value in os.environ.items() if name != "EDGEOPT_STORE"}
    return {**kept, "PATH": os.pathsep.join(places)}


@pytest.mark.skipif(sys.platform == "win32", reason="the blocks are for a POSIX shell")
@pytest.mark.parametrize("block", _blocks("console"))
def test_console_block_runs_as_shown(block: str, folder: Path, variables: dict[str, str]) -> None:
    for shown in _commands(block):
        result = subprocess.run(
            ["sh", "-c", shown.command],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )

        output = result.stdout + result.stderr
        assert result.returncode == shown.code, f"{shown.command}\n{output}"
        assert [line for line in shown.lines if _first_column(line) not in output] == [], f"{shown.command}\n{output}"


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_block_runs(block: str, folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
    )

    assert result.returncode == 0, result.stderr


def test_a_console_block_is_read_as_commands_with_codes_and_output() -> None:
    block = "$ cd somewhere\n$ edgeopt gate\n size   107 KB\n$ echo $?\n3\n$ make demo\ngate: passed\n"

    assert _commands(block) == [
        Shown(command="edgeopt gate", code=3, lines=[" size   107 KB"]),
        Shown(command="edgeopt demo", lines=["gate: passed"]),
    ]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (" latency p50 (host)      170 µs     101 µs", "latency p"),
        ("kept float   ...", "kept float"),
        ("gate: passed", "gate: passed"),
        ("", ""),
    ],
)
def test_the_first_column_ends_at_a_gap_a_figure_or_dots(line: str, column: str) -> None:
    assert _first_column(line) == column
