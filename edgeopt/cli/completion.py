"""`edgeopt completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_WHERE = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshrc",
    "fish": "~/.config/fish/completions/edgeopt.fish",
}


@click.command("completion", epilog='For bash: eval "$(edgeopt completion bash)" in ~/.bashrc.')
@click.argument("shell", type=click.Choice(sorted(_WHERE)))
def command(shell: str) -> None:
    """Print the script for tab completion."""
    from edgeopt.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this click has no completion for {shell}")
    click.echo(kind(cli, {}, "edgeopt", "_EDGEOPT_COMPLETE").source())
