"""The page about diagnosing lists every bound with its reason, every cause, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgeopt.judge import layer_causes
from edgeopt.judge.layer_thresholds import THRESHOLDS


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "diagnose.md").read_text(encoding="utf-8")


def test_every_bound_stands_in_the_page_with_its_reason(page: str) -> None:
    rows = [f"| `{name}` | {bound.value:g} | {bound.unit} | {bound.why} |" for name, bound in THRESHOLDS.items()]

    assert [row for row in rows if row not in page] == []


def test_every_cause_stands_in_the_page(page: str) -> None:
    source = Path(str(layer_causes.__file__)).read_text(encoding="utf-8")
    given = set(re.findall(r'Cause\(\s*"(\w+)"', source))
    listed = {
        name
        for row in re.findall(r"^\| (`\w+`(?:, `\w+`)?) \| ", page, re.MULTILINE)
        for name in re.findall(r"\w+", row)
    }

    assert len(given) >= 11
    assert given <= listed
