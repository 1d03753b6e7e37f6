"""`edgeopt demo`."""

from __future__ import annotations

import click

from edgeopt.cli.options import Output, measuring


@click.command("demo")
@click.option("-o", "--output", "folder", type=click.Path(), default="edgeopt-demo", show_default=True)
@measuring
@click.pass_context
def command(context: click.Context, /, folder: str, output: Output) -> None:
    """Run the main job on the model that ships.

    Copies a small trained ResNet8 and its data to a folder, quantizes, measures both, compares and judges the gate.
    """
    from edgeopt.workflow.demo import demo

    with output.progress() as report:
        result = demo(folder, report=report, say=output.say, seed=output.seed)
    output.at(f"{folder}/edgeopt.toml").answer(result.as_json(), show="gate")
    output.say(
        f"all of it lies in {folder}/, where edgeopt.toml is yours to change, `edgeopt gate` judges it again and "
        "`edgeopt runs list` shows what was recorded"
    )
    context.exit(result.verdict.exit_code)
