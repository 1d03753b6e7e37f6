"""Optional dependencies come in when they are there, and are refused with their pip line when they are not."""

from __future__ import annotations

import math
import sys
import tomllib
from pathlib import Path

import pytest

from edgeopt import _optional
from edgeopt.errors import ExtraMissing


def test_an_installed_module_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_optional.EXTRAS, "math", "torch")

    assert _optional.require("math", purpose="count") is math


@pytest.mark.parametrize(("module", "extra"), [("PIL.Image", "images"), ("pyarrow.parquet", "tables")])
def test_a_missing_module_is_refused_with_the_exact_pip_line(
    module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtraMissing) as caught:
        _optional.require(module, purpose="read images")

    assert caught.value.message.endswith("is needed to read images")
    assert caught.value.hint == f"pip install 'edgeopt[{extra}]'"


def test_every_extra_is_one_that_the_package_offers() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert set(_optional.EXTRAS.values()) <= project["optional-dependencies"].keys()
