"""Pages that are made from the code say what the code says."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import edgeopt.core.config
from edgeopt.cli.main import COMMANDS
from edgeopt.steps.tflite.operators import OPERATORS


@pytest.fixture(scope="module")
def generate(root: Path) -> dict[str, Any]:
    """What `docs/generate.py` defines."""
    return runpy.run_path(str(root / "docs" / "generate.py"), run_name="generate")


def test_no_page_is_stale(root: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(root / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stderr) == (0, "")


def test_check_names_a_stale_page_and_exits_1(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("generate.py", "configuration.md.in", "configuration.md", "operators.md"):
        (folder / name).write_bytes((root / "docs" / name).read_bytes())
    (folder / "cli.md").write_text("old\n")

    result = subprocess.run(
        [sys.executable, str(folder / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stderr) == (1, "docs/cli.md is stale: run `make docs`\n")
    assert (folder / "cli.md").read_text() == "old\n"


def test_every_operator_that_is_written_is_in_the_page(root: Path) -> None:
    page = (root / "docs" / "operators.md").read_text(encoding="utf-8")

    assert all(f"| `{name}` | " in page for name in OPERATORS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help_in_the_page(root: Path, command: str) -> None:
    page = (root / "docs" / "cli.md").read_text(encoding="utf-8")

    assert f"## edgeopt {command}\n" in page
    assert f"Usage: edgeopt {command} " in page


def test_subcommands_have_their_help_in_the_page(root: Path) -> None:
    page = (root / "docs" / "cli.md").read_text(encoding="utf-8")

    assert "Usage: edgeopt targets list " in page
    assert "Usage: edgeopt targets show " in page
    assert "Usage: edgeopt targets check " in page


def test_the_page_does_not_depend_on_the_terminal(
    root: Path, generate: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    assert generate["cli_page"]() == (root / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_key_of_the_configuration_is_described(root: Path) -> None:
    page = (root / "docs" / "configuration.md").read_text(encoding="utf-8")
    tables = [model for model in vars(edgeopt.core.config).values() if hasattr(model, "model_fields")]
    keys = {field.alias or name for model in tables for name, field in model.model_fields.items()}

    assert [key for key in sorted(keys) if f"`{key}`" not in page and f"[{key}]" not in page] == ["waiver"]
    assert "## `[[gate.waiver]]`" in page


def test_a_key_without_a_meaning_stops_the_generator(generate: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match=r"edgeopt.toml as it is: data\.samples"):
        generate["_require_same"]("edgeopt.toml", ["data.path", "data.samples"], ["data.path"])
