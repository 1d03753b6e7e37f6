"""`edgeopt runs`."""

from __future__ import annotations

import click

from edgeopt._version import __version__
from edgeopt.cli.options import Output, common
from edgeopt.errors import InputError


@click.group("runs")
def command() -> None:
    """List, show and trace what was recorded."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@common
def list_runs(limit: int, output: Output) -> None:
    """List recorded runs, the latest first."""
    from edgeopt.workflow.runs import list_runs

    output.answer(list_runs(limit=limit), show="runs")


@command.command("show")
@click.argument("run", metavar="ID")
@common
def show_run(run: str, output: Output) -> None:
    """Show a recorded run as its command did.

    ID is the beginning of the run's id. `--json` prints the record, which `edgeopt gate` judges.
    """
    from edgeopt.workflow.runs import show_run

    record = show_run(run)
    try:
        output.answer(record, show=record["command"])
    except (KeyError, IndexError) as error:  # a view of this edgeopt misses what another version did not write
        raise InputError(
            f"a run of `{record['command']}` by edgeopt {record['edgeopt']} is not what edgeopt {__version__} shows",
            hint=f"edgeopt runs show {run} --json",
        ) from error


@command.command("lineage")
@click.argument("named", metavar="ID|FILE")
@common
def trace_lineage(named: str, output: Output) -> None:
    """Trace where a model came from.

    From which file, by which steps with which options, data, seed, versions and machine. Takes a model, a prediction
    file, or the beginning of a run's id or of an artifact's SHA-256.
    """
    from edgeopt.workflow.runs import trace_lineage

    output.answer(trace_lineage(named), show="lineage")


@command.command("gc")
@click.option("--keep", type=click.IntRange(0), help="Drop all but so many of the latest runs.")
@click.option("--older-than", metavar="TIME", help="Drop runs and cached steps older than that, as in 30d.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@common
def collect_garbage(keep: int | None, older_than: str | None, dry_run: bool, output: Output) -> None:
    """Drop old runs, and files that no run names.

    Without options only files go that no run names. A run that made the model of a later run stays with that.
    """
    from edgeopt.workflow.runs import collect_garbage

    output.answer(collect_garbage(keep=keep, older_than=older_than, dry_run=dry_run), show="garbage")
