"""Targets by name: this machine, the profiles that ship with edgeopt, and files of the user's own."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgeopt.core.files import require_regular_file
from edgeopt.core.target import HOST, Target, host_target
from edgeopt.errors import InputError, near_names

PROFILE_PACKAGE = "edgeopt._targets"


def target_names() -> list[str]:
    """Names of the targets that ship with edgeopt, `host` first."""
    names = sorted(entry.name.removesuffix(".toml") for entry in _profiles() if entry.name.endswith(".toml"))
    return [HOST, *names]


def load_target(name: str) -> Target:
    """The target called `name`: `host`, a shipped profile, or the path of a profile of the user's own.

    Raises:
        InputError: There is no such target, or its profile is not usable.
    """
    if name == HOST:
        return host_target()
    if name.endswith(".toml"):
        return _target_from_file(Path(name))
    if name not in target_names():
        raise InputError(f"unknown target `{name}`", hint=near_names(name, target_names()))
    resource = files(PROFILE_PACKAGE).joinpath(f"{name}.toml")
    return target_from_toml(resource.read_text(encoding="utf-8"), where=f"{name}.toml")


def target_from_toml(text: str, *, where: str) -> Target:
    """The target that a profile describes.

    Raises:
        InputError: Not TOML, or a key is missing, unknown or impossible; all faults at once.
    """
    from edgeopt.core.target_file import profile_from_table

    try:
        table: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"target profile `{where}` is not TOML: {error}") from error
    return profile_from_table(table, where=where).as_target()


def _target_from_file(path: Path) -> Target:
    require_regular_file(path, what="target profile")
    try:
        return target_from_toml(path.read_text(encoding="utf-8"), where=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"target profile `{path}` cannot be read: {error}") from error


def _profiles() -> list[Any]:
    return list(files(PROFILE_PACKAGE).iterdir())
