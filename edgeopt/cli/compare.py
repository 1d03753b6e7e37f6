"""`edgeopt compare`."""

from __future__ import annotations

from typing import Any

import click

from edgeopt.cli.options import MODEL, Output, cluster_option, measuring, preprocessing


@click.command("compare")
@click.argument("base", type=MODEL)
@click.argument("candidate", type=MODEL)
@click.option("--data", help="Samples for both; not needed for two prediction files.")
@click.option("--metric", help="The metric that leads: accuracy, f1, auc, log_loss, mse, ... [default: the task's]")
@click.option("--slice", "slices", multiple=True, help="Column to compare by. [default: all of 2 to 20 values]")
@cluster_option
@preprocessing
@measuring
def command(base: str, candidate: str, data: str | None, output: Output, **options: Any) -> None:
    """Compare two models on the same samples.

    BASE and CANDIDATE are models, or prediction files that `edgeopt evaluate --predictions` wrote. The comparison is
    paired: how many predictions changed, how many of these for the worse, and what that says about accuracy, over all
    samples and on every slice.
    """
    from edgeopt.workflow.compare import compare

    with output.progress() as report:
        result = compare(base, candidate, data, report=report, seed=output.seed, **options)
    output.answer(result.as_json(), show="compare")
