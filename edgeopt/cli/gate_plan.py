"""`edgeopt gate --plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from edgeopt.cli.options import Output


def answer_plan(output: Output, runs: tuple[str, ...], *, reports: Mapping[str, str | None], **options: Any) -> None:
    """Print what the rules need; nothing is measured, recorded or written.

    Args:
        output: Where the answer goes.
        runs: Records of earlier measurements.
        reports: Files that a verdict would be written to, by option.
        options: Those of `edgeopt.plan_gate`, and what goes with `--accept`.
    """
    from edgeopt.workflow.plan_gate import plan_gate

    asked = {**{name: options.pop(name) for name in ("accept", "by", "reason")}, **reports}
    writing = [f"`--{name}`" for name, value in asked.items() if value]
    if writing:
        raise click.UsageError(f"`--plan` measures and writes nothing, so it goes without {', '.join(writing)}")
    result = plan_gate(*runs, seed=output.seed, **options)
    replace(output, is_recording=False).answer(result.as_json(), show="plan")
