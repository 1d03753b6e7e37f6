"""`edgeopt runs`."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from edgeopt._version import __version__
from edgeopt.cli.options import Output, common
from edgeopt.errors import EdgeoptError, InputError


def complete_runs(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The latest runs whose id begins with what was typed."""
    from edgeopt.workflow.runs import runs_to_complete

    try:
        return [CompletionItem(run, help=text) for run, text in runs_to_complete(incomplete)]
    except EdgeoptError:  # a shell that completes has no place for what went wrong
        return []


def complete_runs_and_files(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The same, and files."""
    return [*complete_runs(context, parameter, incomplete), CompletionItem(incomplete, type="file")]


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
@click.argument("run", metavar="[ID]", required=False, shell_complete=complete_runs)
@common
def show_run(run: str | None, output: Output) -> None:
    """Show a recorded run as its command did.

    ID is the beginning of the run's id; without it the latest is shown. `--json` prints the record, which
    `edgeopt gate` judges.
    """
    from edgeopt.workflow.runs import show_run

    record = show_run(run)
    try:
        output.answer(record, show="run")
    except (KeyError, IndexError) as error:  # a view of this edgeopt misses what another version did not write
        raise InputError(
            f"a run of `{record['command']}` by edgeopt {record['edgeopt']} is not what edgeopt {__version__} shows",
            hint=" ".join(filter(None, ("edgeopt runs show", run, "--json"))),
        ) from error


@command.command("lineage")
@click.argument("named", metavar="ID|FILE", shell_complete=complete_runs_and_files)
@common
def trace_lineage(named: str, output: Output) -> None:
    """Trace where a model came from.

    From which file, by which steps with which options, data, seed, versions and machine. Takes a model, a prediction
    file, or the beginning of a run's id or of an artifact's SHA-256.
    """
    from edgeopt.workflow.runs import trace_lineage

    output.answer(trace_lineage(named), show="lineage")


@command.command("gc")
@click.option(
    "--keep",
    type=click.IntRange(0),
    help="Drop all but so many of the latest runs, and cached steps whose results they do not name.",
)
@click.option("--older-than", metavar="TIME", help="Drop runs and cached steps older than that, as in 30d.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@common
def collect_garbage(keep: int | None, older_than: str | None, dry_run: bool, output: Output) -> None:
    """Drop old runs, and files that no run names.

    Without options only files go that no run names. A run that made the model of a later run stays with that, and
    so does the latest accepted baseline of each configuration.
    """
    from edgeopt.workflow.runs import collect_garbage

    output.answer(collect_garbage(keep=keep, older_than=older_than, dry_run=dry_run), show="garbage")
