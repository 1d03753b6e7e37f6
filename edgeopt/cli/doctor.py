"""`edgeopt doctor`."""

from __future__ import annotations

import click

from edgeopt.cli.options import Output, common


@click.command("doctor")
@common
def command(output: Output) -> None:
    """Say what is installed and what can be measured here.

    What is missing or noisy comes with the line that mends it.
    """
    from edgeopt.workflow.doctor import doctor

    output.answer(doctor(), show="doctor")
