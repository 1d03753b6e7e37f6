"""`edgeopt diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeopt.cli.options import MODEL, Output, measuring, preprocessing


@click.command("diagnose")
@click.argument("base", type=MODEL)
@click.argument("candidate", type=MODEL)
@click.option("--data", required=True, help="Samples to run both on; those that calibrated are left out.")
@click.option(
    "--samples", type=click.IntRange(1), default=100, show_default=True, help="How many to draw, stratified by label."
)
@click.option(
    "--gain",
    is_flag=True,
    help="Also measure what the model gains when one layer alone is float: 2 to 3 times the time.",
)
@preprocessing
@click.option("--plot", type=click.Path(), metavar="FILE", help="Write a plot, `.svg` or `.png`.")
@click.option("--force", is_flag=True, help="Overwrite an existing plot.")
@measuring
def command(
    base: str, candidate: str, data: str, *, plot: str | None, force: bool, output: Output, **options: Any
) -> None:
    """Find which layer of a quantized model loses the signal, and why.

    BASE is the float model, CANDIDATE the quantized one that was made from it, by edgeopt or by another tool that
    writes quantize/dequantize pairs. Every layer is quantized alone, its weights alone and its activations alone; the
    layers are ranked by what they do to the output, each with the reason and the option of `quantize` that mends it.
    """
    from edgeopt.workflow.diagnose import diagnose

    if plot:
        from edgeopt.report.canvas import require_plottable

        require_plottable(Path(plot), force=force)
    with output.progress() as report:
        result = diagnose(base, candidate, data, report=report, seed=output.seed, **options)
    record = result.as_json()
    if plot:
        from edgeopt.report.canvas import write_plot
        from edgeopt.report.diagnose_plot import layers_canvas

        write_plot(layers_canvas(record), Path(plot), force=force)
    output.answer(record, show="diagnose")
