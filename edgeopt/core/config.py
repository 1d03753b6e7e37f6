"""`edgeopt.toml`: what a project measures and what it demands.

History: schema 1, the first.
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from edgeopt.core.files import require_regular_file
from edgeopt.core.validation import StrictModel, validated
from edgeopt.errors import InputError

CONFIG_NAME = "edgeopt.toml"


class ModelTable(StrictModel):
    """`[model]`: the trained model."""

    path: str


class DataTable(StrictModel):
    """`[data]`: samples to calibrate and judge on."""

    path: str
    samples: int = Field(default=200, ge=1)
    slices: tuple[str, ...] = ()
    cluster: str | None = None
    metric: str | None = None


class PreprocessTable(StrictModel):
    """`[preprocess]`: what is done to raw samples."""

    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: Literal["nchw", "nhwc"] | None = None


class RecipeTable(StrictModel):
    """`[recipe]`: steps in order, each a table of one key."""

    steps: tuple[dict[str, dict[str, Any]], ...] = ({"quantize": {}},)

    @field_validator("steps")
    @classmethod
    def _one_step_per_table(cls, steps: tuple[dict[str, dict[str, Any]], ...]) -> tuple[dict[str, dict[str, Any]], ...]:
        for step in steps:
            if len(step) != 1:
                raise ValueError("every step is a table of one key, as in `{ quantize = {} }`")
        return steps


class BenchTable(StrictModel):
    """`[bench]`: where and how latency is measured."""

    targets: tuple[str, ...] = ("host",)
    threads: int = Field(default=1, ge=1)
    processes: int = Field(default=10, ge=2)


class Waiver(StrictModel):
    """`[[gate.waiver]]`: a rule that may be broken until a date, with who says so and why."""

    rule: str
    until: date
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class GateTable(StrictModel):
    """`[gate]`: the rules."""

    baseline: str | None = None
    rules: tuple[str, ...] = ()
    undecided: Literal["fail", "pass", "warn"] = "fail"
    estimates: Literal["refuse", "allow"] = "refuse"
    waiver: tuple[Waiver, ...] = ()


class Config(StrictModel):
    """A whole `edgeopt.toml`."""

    schema_number: Literal[1] = Field(alias="schema")
    model: ModelTable
    data: DataTable | None = None
    preprocess: PreprocessTable = PreprocessTable()
    recipe: RecipeTable = RecipeTable()
    bench: BenchTable = BenchTable()
    gate: GateTable = GateTable()


def load_config(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        InputError: The file cannot be read, is not TOML (which refuses duplicate keys), or a key does not fit.
    """
    require_regular_file(path, what="configuration")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"`{path}` is not TOML: {error}", hint="`edgeopt init` writes a file to start from") from error
    return validated(Config, table, where=str(path))
