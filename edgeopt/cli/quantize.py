"""`edgeopt quantize`."""

from __future__ import annotations

from typing import Any

import click

from edgeopt.cli.options import MODEL, Output, measuring, no_cache_option, preprocessing, target_option, writing


@click.command("quantize")
@click.argument("model", type=MODEL)
@click.option(
    "-o", "--output", "path", type=click.Path(), help="Where it goes. [default: MODEL.int8.onnx, or MODEL.SCHEME.onnx]"
)
@click.option("--data", help="Samples to calibrate on; the rest of them judges accuracy.")
@target_option
@click.option(
    "--scheme",
    type=click.Choice(["auto", "int8", "int8-dynamic", "int4-weights", "fp16"]),
    default="auto",
    show_default=True,
    help="int8: weights and activations, calibrated; auto is int8 too. int8-dynamic: matrix products, ranges found in "
    "each inference. int4-weights: matrix products of float activations. fp16: all in float16.",
)
@click.option("--samples", type=int, default=200, show_default=True, help="Calibration samples to draw.")
@click.option(
    "--range",
    "range_",
    type=click.Choice(["auto", "minmax", "percentile", "entropy", "mse"]),
    default="auto",
    show_default=True,
    help="How ranges of activations are taken; auto tries them all on samples held back.",
)
@click.option("--per-tensor", is_flag=True, help="One scale per weight, not one per output channel.")
@click.option("--equalize/--no-equalize", default=None, help="Even out channels across layers. [default: if better]")
@click.option("--smooth/--no-smooth", default=None, help="SmoothQuant behind layer norms. [default: if better]")
@click.option(
    "--weight-range",
    type=click.Choice(["auto", "minmax", "mse"]),
    default="auto",
    show_default=True,
    help="How ranges of weights are taken.",
)
@click.option(
    "--rounding",
    type=click.Choice(["auto", "nearest", "gptq", "adaround"]),
    default="auto",
    show_default=True,
    help="How weights are rounded.",
)
@click.option(
    "--bias-correction/--no-bias-correction",
    default=None,
    help="Take the mean error of rounded weights off the biases. [default: if better]",
)
@click.option("--keep-float", metavar="NODE", multiple=True, help="A node that stays float; repeat it for more.")
@click.option(
    "--max-drop",
    type=float,
    metavar="PT",
    help="Keep as few layers float as it takes to lose at most so many points of accuracy; exit 3 if none do.",
)
@click.option(
    "--statistics",
    type=click.Path(),
    metavar="FOLDER",
    help="Keep statistics of activations there, and take them from there for another range, scale or rounding.",
)
@click.option(
    "--block-size",
    type=click.Choice(["16", "32", "64", "128", "256"]),
    default="32",
    show_default=True,
    callback=lambda _context, _option, value: int(value),
    help="int4-weights: weights that share a scale.",
)
@click.option(
    "--io",
    type=click.Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="fp16: type of the model's float inputs and outputs.",
)
@click.option(
    "--prefer",
    type=click.Choice(["size", "latency"]),
    default="size",
    show_default=True,
    help="latency: write the float model where the other turns out slower.",
)
@click.option("--no-measure", is_flag=True, help="Write only; measure nothing.")
@no_cache_option
@preprocessing
@writing
@measuring
@click.pass_context
def command(
    context: click.Context,
    /,
    model: str,
    *,
    path: str | None,
    range_: Any,
    per_tensor: bool,
    no_measure: bool,
    no_cache: bool,
    output: Output,
    **options: Any,
) -> None:
    """Make an int8 model for a target and measure it.

    Weights and activations become int8 in the types that the target's kernels run fastest, or what --scheme says. What
    was made is measured against the original: latency, signal-to-noise, and accuracy and flips where the data has
    labels.
    """
    from edgeopt.workflow.quantize import quantize

    with output.progress() as report:
        result = quantize(
            model,
            output=path,
            range=range_,
            per_channel=not per_tensor,
            measure=not no_measure,
            report=report,
            cache=output.cache(is_off=no_cache),
            seed=output.seed,
            **options,
        )
    output.answer(result.as_json(), show="quantize")
    context.exit(result.exit_code)
