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
        options: Those of `edgeopt.plan_gate`, and `accept`, `by` and `reason`.
    """
    from edgeopt.workflow.plan_gate import plan_gate

    writing = [
        name
        for name, path in {**{key: options.pop(key) for key in ("accept", "by", "reason")}, **reports}.items()
        if path
    ]
    if writing:
        named = ", ".join(f"`--{name}`" for name in writing)
        raise click.UsageError(f"`--plan` measures nothing, so there is nothing to write for {named}")
    result = plan_gate(*runs, seed=output.seed, **options)
    replace(output, is_recording=False).answer(result.as_json(), show="plan")
