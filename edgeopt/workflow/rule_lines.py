"""The lines of edgeopt.toml that rules stand on, which `tomllib` does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable

# A string in any of the four forms of TOML, or a comment, in which quotes mean nothing.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""|' + r"'''.*?'''|" + r'"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*'|" + r"#[^\n]*", re.DOTALL
)
# A waiver repeats the text of its rule behind this key.
_WAIVED = re.compile(r"\brule[\"']?\s*=\s*$")


def rule_lines(text: str, rules: Iterable[str]) -> dict[str, int]:
    """The line, from 1, of each of `rules` that stands in the text of a configuration.

    Args:
        text: A valid TOML document.
        rules: What the rules say, as read from it.
    """
    wanted = set(rules)
    lines: dict[str, int] = {}
    for match in _TOKEN.finditer(text):
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if match[0].startswith("#") or _WAIVED.search(before):
            continue
        value = _string(match[0])
        if value in wanted:
            lines.setdefault(value, text.count("\n", 0, match.start()) + 1)
    return lines


def _string(token: str) -> str:
    """What a TOML string says; empty where the token is none after all."""
    try:
        return str(tomllib.loads(f"value = {token}")["value"])
    except tomllib.TOMLDecodeError:
        return ""
