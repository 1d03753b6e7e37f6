"""`edgeopt gate`."""

from __future__ import annotations

from typing import Any

import click

from edgeopt.cli.options import Output, common


@click.command("gate")
@click.argument("runs", nargs=-1, type=click.Path())
@click.option("--config", type=click.Path(), help="Rules, recipe and data. [default: ./edgeopt.toml]")
@click.option("--baseline", type=click.Path(), help="A run to hold the candidate against.")
@click.option("--rule", "rules", multiple=True, help="A rule besides those of the configuration.")
@click.option("--accept", is_flag=True, help="Keep what was measured as the new baseline.")
@common
@click.pass_context
def command(context: click.Context, /, runs: tuple[str, ...], output: Output, **options: Any) -> None:
    """Judge rules and say whether the model may ship.

    With RUNS (records that --json of other commands printed): judges what they hold. Without: applies the
    recipe of the configuration, measures the original and the result, and judges.

    Exit code 0: all rules passed; 3: a rule failed; 4: a rule is undecided, with what would decide it.
    """
    from edgeopt.workflow.gate import gate

    with output.progress() as report:
        result = gate(*runs, report=report, seed=output.seed, **options)
    output.answer(result.as_json(), show="gate")
    context.exit(result.verdict.exit_code)
