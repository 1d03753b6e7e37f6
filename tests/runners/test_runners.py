"""Runners are found by name; what every one of them promises is in `tests/contract/test_runner.py`."""

from __future__ import annotations

from importlib import metadata

import pytest

from edgeopt.core.artifact import FORMATS
from edgeopt.errors import InputError
from edgeopt.runners import RUNNER_OF_FORMAT, RUNNERS, runner_named
from edgeopt.runners.onnxruntime import OnnxRuntimeRunner


def test_every_runner_of_the_table_is_found_under_its_own_name() -> None:
    assert {name: runner_named(name).name for name in RUNNERS} == {name: name for name in RUNNERS}


def test_every_format_is_run_by_a_runner_that_takes_it() -> None:
    assert RUNNER_OF_FORMAT.keys() <= set(FORMATS.values())
    assert all(kind in runner_named(name).formats for kind, name in RUNNER_OF_FORMAT.items())


def test_an_unknown_name_is_refused_with_its_near_names() -> None:
    with pytest.raises(InputError) as caught:
        runner_named("onnx-runtime")

    assert caught.value.message == "unknown runtime `onnx-runtime`"
    assert caught.value.hint == "did you mean `onnxruntime`?"


def test_a_package_may_offer_a_runner_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = metadata.EntryPoint(
        name="mine", group="edgeopt.runners", value="edgeopt.runners.onnxruntime:OnnxRuntimeRunner"
    )

    def entry_points(*, group: str, name: str) -> list[metadata.EntryPoint]:
        return [offered] if (group, name) == ("edgeopt.runners", "mine") else []

    monkeypatch.setattr(metadata, "entry_points", entry_points)

    assert isinstance(runner_named("mine"), OnnxRuntimeRunner)
    with pytest.raises(InputError, match="unknown runtime `other`"):
        runner_named("other")
