"""`edgeopt.toml` is read strictly: what does not fit is said by its key, before anything is measured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from edgeopt.core.config import load_config
from edgeopt.errors import InputError

WHOLE = """
schema = 1
[model]
path = "model.onnx"
[data]
path = "eval.npz"
samples = 100
slices = ["speaker"]
[preprocess]
scale = 0.5
layout = "nhwc"
[recipe]
steps = [{ quantize = { scheme = "auto" } }]
[bench]
targets = ["host", "rpi4"]
[gate]
rules = ["size <= 200 KB"]
undecided = "warn"
[[gate.waiver]]
rule = "size <= 200 KB"
until = 2027-01-31
by = "who"
reason = "why"
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Any]:
    """Reads a configuration from text."""

    def read(text: str) -> Any:
        path = tmp_path / "edgeopt.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path)

    return read


def test_a_whole_configuration_is_read(load: Callable[[str], Any]) -> None:
    config = load(WHOLE)

    assert config.model.path == "model.onnx"
    assert (config.data.samples, config.data.slices) == (100, ("speaker",))
    assert (config.preprocess.scale, config.preprocess.layout) == (0.5, "nhwc")
    assert config.recipe.steps == ({"quantize": {"scheme": "auto"}},)
    assert config.bench.targets == ("host", "rpi4")
    assert config.gate.undecided == "warn"
    assert config.gate.waiver[0].until == date(2027, 1, 31)


def test_a_model_alone_is_enough(load: Callable[[str], Any]) -> None:
    config = load('schema = 1\n[model]\npath = "model.onnx"\n')

    assert config.data is None
    assert config.recipe.steps == ({"quantize": {}},)
    assert config.bench.targets == ("host",)
    assert (config.gate.rules, config.gate.undecided, config.gate.estimates) == ((), "fail", "refuse")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("rules = ", "rule = ", "unknown key `gate.rule`, did you mean `rules`?"),
        ("schema = 1", "schema = 2", "`schema` is `2`: "),
        ("schema = 1", "", "`schema` is missing"),
        ('path = "model.onnx"', "", "`model.path` is missing"),
        ("samples = 100", "samples = 0", "`data.samples` is `0`: "),
        ("scale = 0.5", "scale = nan", "`preprocess.scale` is `nan`: "),
        ('layout = "nhwc"', 'layout = "hwcn"', "`preprocess.layout` is `hwcn`: "),
        ('undecided = "warn"', 'undecided = "ignore"', "`gate.undecided` is `ignore`: "),
        ('by = "who"', 'by = ""', "`gate.waiver.0.by` is ``: "),
        ("until = 2027-01-31", "", "`gate.waiver.0.until` is missing"),
        ("{ quantize = ", "{ simplify = {}, quantize = ", "every step is a table of one key"),
    ],
)
def test_what_does_not_fit_is_said_by_its_key(
    load: Callable[[str], Any], before: str, after: str, message: str
) -> None:
    assert before in WHOLE
    with pytest.raises(InputError) as caught:
        load(WHOLE.replace(before, after))

    assert message in caught.value.message
    assert "edgeopt.toml" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["schema = ", "schema = 1\nschema = 1\n", "a = " + "[" * 10_000, "a = " + "1" * 10_000]
)
def test_what_is_not_toml_is_refused_with_a_way_to_start(load: Callable[[str], Any], text: str) -> None:
    with pytest.raises(InputError, match=r"edgeopt\.toml` is not TOML: ") as caught:
        load(text)

    assert caught.value.hint == "`edgeopt init` writes a file to start from"


def test_a_missing_file_and_a_fifo_are_refused(
    tmp_path: Path, fifo: Callable[[str], Path], ends_soon: Callable[[Callable[[], object]], None]
) -> None:
    with pytest.raises(InputError, match=r"configuration `.*edgeopt\.toml` does not exist"):
        load_config(tmp_path / "edgeopt.toml")

    path = fifo("edgeopt.toml")
    with pytest.raises(InputError, match="is not a regular file"):
        ends_soon(lambda: load_config(path))
