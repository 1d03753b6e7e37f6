"""Names from models and data made harmless for the place where they are shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` without control characters, which could move a terminal's cursor or hide what is said."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
