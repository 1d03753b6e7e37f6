"""The page on targets names every key and every target, and its example is a profile."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import edgeopt.core.target_file
from edgeopt.core.profiles import target_from_toml, target_names
from edgeopt.core.target_file import faults_of_profile
from edgeopt.core.validation import StrictModel


def page(root: Path) -> str:
    """The page's text."""
    return (root / "docs" / "targets.md").read_text(encoding="utf-8")


def test_every_key_of_a_profile_is_described(root: Path) -> None:
    profile = edgeopt.core.target_file.TargetProfile
    keys = []
    for name, field in profile.model_fields.items():
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        tables = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, StrictModel)]
        inner = [f"{name}.{key}" for table in tables for key in table.model_fields]
        keys += inner or [field.alias or name]
    shared = {f"{table}.{key}" for table in ("runtime", "quantization") for key in ("source", "verified")}

    assert len(keys) > 20
    assert [key for key in keys if f"`{key}" not in page(root) and key not in shared] == []


def test_every_target_is_in_the_page(root: Path) -> None:
    assert [name for name in target_names() if f"`{name}`" not in page(root)] == []


def test_the_example_is_a_profile(root: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", page(root), re.DOTALL)

    assert example is not None
    assert faults_of_profile(tomllib.loads(example[1])) == []
    assert target_from_toml(example[1], where="docs/targets.md").name == "my-board"
