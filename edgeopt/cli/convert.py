"""`edgeopt convert`."""

from __future__ import annotations

from typing import Any

import click

from edgeopt.cli.options import Output, measuring, no_cache_option, preprocessing_beside_layout, writing


@click.command("convert")
@click.argument("source", type=click.Path())
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(),
    help="Where it goes; the ending chooses: .onnx, .tflite, .h (a C array). [default: beside SOURCE: .tflite of "
    ".onnx, .h of .tflite, else .onnx]",
)
@click.option(
    "--input",
    "inputs",
    metavar="NAME=SHAPE",
    multiple=True,
    help="Shape of an input, as in `image=1x3x32x32:float32`; repeat it for more.",
)
@click.option("--checkpoint", type=click.Path(), metavar="FILE", help="Weights of a torch module: a state dict.")
@click.option(
    "--layout",
    type=click.Choice(["nhwc", "nchw"]),
    help="Layout of images at the inputs and outputs of the TFLite model. [default: that of SOURCE]",
)
@click.option(
    "--io",
    type=click.Choice(["float32", "int8"]),
    help="Type of inputs and outputs of a quantized TFLite model. [default: float32]",
)
@click.option("--opset", type=click.IntRange(1), help="Version of the ONNX operators that are written.")
@click.option("--data", help="Samples to compare both on, besides random inputs.")
@click.option(
    "--via",
    type=click.Choice(["litert-torch", "onnx2tf"]),
    help="Let another converter, which you have installed, make the TFLite model; it is proven all the same.",
)
@click.option("--via-python", type=click.Path(), metavar="PATH", help="The Python that has it. [default: this one]")
@click.option(
    "--via-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=900.0,
    show_default=True,
    help="How long it may take.",
)
@no_cache_option
@preprocessing_beside_layout
@writing
@measuring
def command(source: str, *, path: str | None, no_cache: bool, output: Output, **options: Any) -> None:
    """Make a model of another format and prove that it computes the same.

    SOURCE is an .onnx, .pt2 or .tflite file, or `package.module:name` or `file.py:name` of a torch module, of a
    function that returns one, or of a fitted scikit-learn estimator. Both run on the same inputs; what is not equal is
    not written, and the first node where the two part is named.
    """
    from edgeopt.workflow.convert import convert

    with output.progress() as report:
        result = convert(
            source, output=path, report=report, cache=output.cache(is_off=no_cache), seed=output.seed, **options
        )
    output.answer(result.as_json(), show="convert")
