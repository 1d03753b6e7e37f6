"""`edgeopt gate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from edgeopt.cli.options import Output, cluster_option, measuring, no_cache_option


@click.command("gate")
@click.argument("runs", nargs=-1, type=click.Path())
@click.option("--config", type=click.Path(), help="Rules, recipe and data. [default: ./edgeopt.toml]")
@click.option("--baseline", metavar="RUN.json|ID", help="A run to hold the candidate against.")
@click.option("--rule", "rules", multiple=True, help="A rule besides those of the configuration.")
@cluster_option
@click.option("--plan", is_flag=True, help="Say what the rules need and the chance that they pass; measure nothing.")
@click.option("--accept", is_flag=True, help="Keep what was measured, and its model, as the new baseline.")
@click.option("--by", metavar="WHO", help="Who accepts it. [default: the user that CI names, else yours]")
@click.option("--reason", metavar="WHY", help="Why it is accepted; needed where a baseline is replaced.")
@click.option("--junit", type=click.Path(), help="Write JUnit XML: a test case per rule.")
@click.option("--markdown", type=click.Path(), help="Write a Markdown report with a plot.")
@click.option(
    "--summary", type=click.Path(), help="Write Markdown for a CI summary. [default: $GITHUB_STEP_SUMMARY on GitHub]"
)
@click.option("--force", is_flag=True, help="Overwrite existing reports.")
@no_cache_option
@measuring
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    runs: tuple[str, ...],
    junit: str | None,
    markdown: str | None,
    summary: str | None,
    force: bool,
    no_cache: bool,
    plan: bool,
    output: Output,
    **options: Any,
) -> None:
    """Judge rules and say whether the model may ship.

    With RUNS (records that --json of other commands printed): judges what they hold. Without: applies the
    recipe of the configuration, measures the original and the result, and judges.

    Exit code 0: all rules passed; 3: a rule failed; 4: a rule is undecided, with what would decide it.
    Reports are written whatever the verdict.
    """
    if plan:
        from edgeopt.cli.gate_plan import answer_plan

        answer_plan(output, runs, reports={"junit": junit, "markdown": markdown, "summary": summary}, **options)
        return
    from edgeopt.core.config import CONFIG_NAME
    from edgeopt.report.gate_files import gate_files
    from edgeopt.workflow.gate import gate

    files = gate_files({"junit": junit, "markdown": markdown, "summary": summary}, os.environ, force=force)
    named = (*runs, options["config"] or CONFIG_NAME, options["baseline"])
    files.require_writable(Path(name) for name in named if name)
    output = output.at(options["config"])
    with output.progress() as report:
        result = gate(*runs, report=report, seed=output.seed, cache=output.cache(is_off=no_cache), **options)
    record = result.as_json()
    output.answer(record, show="gate")
    files.write(record)
    _annotate(record, output)
    context.exit(result.verdict.exit_code)


def _annotate(record: dict[str, Any], output: Output) -> None:
    """Mark the rules that did not pass where GitHub shows them; on stderr, since stdout is data."""
    from edgeopt.report.github import is_github, workflow_commands

    if is_github(os.environ):
        for line in workflow_commands(record, os.environ):
            output.say(line)
