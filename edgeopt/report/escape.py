"""Names from models and data made harmless for the place where they are shown."""

from __future__ import annotations

import re

# XML 1.0, section 2.2: what a document may hold at all, even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Text that no Markdown reader takes for anything else inside a code span within a table.
_PLAIN_CODE = re.compile(r"(?:[\w .,%=+@():/-]|[<>](?=[ =]))+")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_STRUCTURE = re.compile(r"[\\`*_{}\[\]<>|~&$!]|://|(?<=[wW])\.")
# GitHub makes links and mentions of these after Markdown is read, so that no escape stops it; a zero-width space does.
_MENTION = re.compile(r"[@#](?=\w)")
# GitHub's runner takes `##[error]` for a command anywhere in a line (actions/runner, ActionCommand.TryParse).
_OLD_COMMAND = "##["


def printable(text: str) -> str:
    """`text` without control characters, which could move a terminal's cursor or hide what is said."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return shown.replace(_OLD_COMMAND, "## [")


def plain_line(line: str) -> str:
    """A printed line that GitHub's runner does not take for a workflow command, which begins with `::`."""
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def shortened(text: str, length: int) -> str:
    """`text`, cut to `length` characters with an ellipsis at its end."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def markdown_text(text: str) -> str:
    """`text` as words in Markdown: no markup, no HTML, no end of a table's cell, no mention."""
    apart = _MENTION.sub(lambda match: f"{match[0]}\u200b", printable(text))
    return _STRUCTURE.sub(_references, apart)


def markdown_code(text: str) -> str:
    """`text` as code in Markdown, also within a table: a code span, or for hostile text HTML with every sign named."""
    shown = printable(text)
    if _PLAIN_CODE.fullmatch(shown) and shown.strip():
        return f"`{shown.strip()}`"
    return f"<code>{_PUNCTUATION.sub(_references, shown)}</code>"


def xml_text(text: str) -> str:
    """`text` without the characters that XML cannot hold; markup is the writer's to escape."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def command_data(text: str) -> str:
    """`text` as the message of a GitHub workflow command."""
    return printable(text).replace("%", "%25")


def command_property(text: str) -> str:
    """`text` as a property of a GitHub workflow command."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def _references(match: re.Match[str]) -> str:
    """Numeric character references, which Markdown never takes for structure (CommonMark, section 2.5)."""
    return "".join(f"&#{ord(character)};" for character in match[0])
