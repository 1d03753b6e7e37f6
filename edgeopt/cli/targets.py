"""`edgeopt targets`."""

from __future__ import annotations

import click

from edgeopt.cli.options import Output, common, complete_targets


@click.group("targets")
def command() -> None:
    """List and show device profiles."""


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
