"""`edgeopt inspect`."""

from __future__ import annotations

import click

from edgeopt.cli.options import MODEL, Output, common, complete_targets


@click.command("inspect")
@click.argument("model", type=MODEL)
@click.option(
    "--target",
    shell_complete=complete_targets,
    help="Say whether it fits this device, what it lacks and what would make it fit.",
)
@common
def command(model: str, target: str | None, output: Output) -> None:
    """Show what a model is and what it costs.

    Inputs, outputs, operators, multiply-accumulates, parameters, peak activation memory and quantization state.
    """
    from edgeopt.workflow.inspect import inspect

    output.answer(inspect(model, target=target).as_json(), show="inspect")
