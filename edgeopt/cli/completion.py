"""`edgeopt completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from edgeopt.cli.options import Output, common

_WHERE = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshrc",
    "fish": "~/.config/fish/completions/edgeopt.fish",
}


@click.command("completion", epilog='For bash: eval "$(edgeopt completion bash)" in ~/.bashrc.')
@click.argument("shell", type=click.Choice(sorted(_WHERE)))
@common
def command(shell: str, output: Output) -> None:
    """Print the script for tab completion."""
    from edgeopt.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this click has no completion for {shell}")
    script = kind(cli, {}, "edgeopt", "_EDGEOPT_COMPLETE").source()
    if output.as_json:
        output.answer({"shell": shell, "file": _WHERE[shell], "script": script}, show="")
    else:
        click.echo(script)
