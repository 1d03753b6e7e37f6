"""`edgeopt targets`."""

from __future__ import annotations

import click

from edgeopt.cli.options import Output, common, complete_targets


@click.group("targets")
def command() -> None:
    """List, show and check device profiles."""


@command.command("list")
@common
def list_targets(output: Output) -> None:
    """List the targets that `--target` takes."""
    from edgeopt.workflow.targets import list_targets

    output.answer(list_targets(), show="targets")


@command.command("show")
@click.argument("name", shell_complete=complete_targets)
@common
def show_target(name: str, output: Output) -> None:
    """Show one target, every figure with its source."""
    from edgeopt.workflow.targets import show_target

    output.answer(show_target(name), show="target")


@command.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path())
@common
@click.pass_context
def check_targets(context: click.Context, files: tuple[str, ...], output: Output) -> None:
    """Check profiles of your own: every fault, with its file and key.

    Exit code 0: all are profiles that `--target FILE` takes; 2: at least one is not.
    """
    from edgeopt.workflow.targets import check_targets

    result = check_targets(files)
    output.answer(result.as_json(), show="target-check")
    context.exit(result.exit_code)
