"""`edgeopt init`."""

from __future__ import annotations

from typing import Any

import click

from edgeopt.cli.options import MODEL, Output, common, writing


@click.command("init")
@click.argument("model", type=MODEL)
@click.option("-o", "--output", "path", type=click.Path(), default="edgeopt.toml", show_default=True)
@click.option("--data", help="Samples to calibrate and judge on.")
@click.option("--ci", type=click.Choice(["github", "gitlab"]), help="Write a CI workflow too.")
@writing
@common
def command(model: str, path: str, output: Output, **options: Any) -> None:
    """Write a commented edgeopt.toml for a model."""
    from edgeopt.workflow.init import init

    output.answer(init(model, output=path, **options).as_json(), show="init")
