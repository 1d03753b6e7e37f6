"""`edgeopt simplify`."""

from __future__ import annotations

from typing import Any

import click

from edgeopt.cli.options import MODEL, Output, measuring, no_cache_option, preprocessing, writing


@click.command("simplify")
@click.argument("model", type=MODEL)
@click.option("-o", "--output", "path", type=click.Path(), help="Where it goes. [default: MODEL.simple.onnx]")
@click.option("--data", help="Samples to prove it on, besides random inputs.")
@no_cache_option
@preprocessing
@writing
@measuring
def command(model: str, *, path: str | None, no_cache: bool, output: Output, **options: Any) -> None:
    """Make a graph simpler and prove that its outputs stay the same.

    Constants are folded, dead and duplicate nodes removed, batch norms and padding merged. Both models run on the same
    inputs; what is not proven equal, makes the file larger, or changes how it is quantized is not kept.
    """
    from edgeopt.workflow.simplify import simplify

    result = simplify(model, output=path, cache=output.cache(is_off=no_cache), seed=output.seed, **options)
    output.answer(result.as_json(), show="simplify")
