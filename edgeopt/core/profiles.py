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
ENDING = ".toml"


def target_names() -> list[str]:
    """Names of the targets that ship with edgeopt, `host` first."""
    names = sorted(entry.name.removesuffix(ENDING) for entry in _profiles() if entry.name.endswith(ENDING))
    return [HOST, *names]


def load_target(name: str) -> Target:
    """The target called `name`: `host`, a shipped profile, or the path of a profile of the user's own.

    Raises:
        InputError: There is no such target, or its profile is not usable.
    """
    if name == HOST:
        return host_target()
    if name.endswith(ENDING):
        path = Path(name)
        return target_from_toml(_text(path), where=str(path))
    if name not in target_names():
        raise InputError(f"unknown target `{name}`", hint=_near(name))
    resource = files(PROFILE_PACKAGE).joinpath(f"{name}{ENDING}")
    return target_from_toml(resource.read_text(encoding="utf-8"), where=f"{name}{ENDING}")


def _near(name: str) -> str:
    """The names nearest to `name`, or all; and how a profile of the user's own is named."""
    own = f" (a profile of your own is named by its path, which ends in `{ENDING}`)"
    return near_names(name, target_names()) + own


def target_from_toml(text: str, *, where: str) -> Target:
    """The target that a profile describes.

    Raises:
        InputError: Not TOML, or a key is missing, unknown or impossible; all faults at once.
    """
    from edgeopt.core.target_file import profile_from_table

    return profile_from_table(_table(text, where=where), where=where).as_target()


def faults_of_file(path: Path) -> list[str]:
    """Every fault of a profile of the user's own, each with its key; none where `load_target` takes it."""
    from edgeopt.core.target_file import faults_of_profile

    if path.suffix != ENDING:
        return [f"its name does not end in `{ENDING}`, as `--target` wants it"]
    try:
        return faults_of_profile(_table(_text(path), where=str(path)))
    except InputError as error:
        return [error.message]


def _table(text: str, *, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"target profile `{where}` is not TOML: {error}") from error


def _text(path: Path) -> str:
    require_regular_file(path, what="target profile")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"target profile `{path}` cannot be read: {error}") from error


def _profiles() -> list[Any]:
    return list(files(PROFILE_PACKAGE).iterdir())
