"""`edgeopt evaluate`."""

from __future__ import annotations

from typing import Any

import click

from edgeopt.cli.options import (
    MODEL,
    Output,
    cluster_option,
    measuring,
    preprocessing,
    runtime_option,
    target_option,
    threads_option,
)


@click.command("evaluate")
@click.argument("model", type=MODEL)
@click.option("--data", required=True, help="Labelled samples.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="accuracy, top5, f1, auc, ks, log_loss, brier, mse, mae, or module:function.",
)
@click.option("--predictions", type=click.Path(), help="Write scores, labels and slices to this .npz file.")
@cluster_option
@target_option
@runtime_option
@threads_option
@preprocessing
@click.option("--force", is_flag=True, help="Overwrite an existing output.")
@measuring
def command(model: str, data: str, output: Output, **options: Any) -> None:
    """Measure accuracy on data.

    The task is told by labels and outputs: top-1, top-5 and F1 for classes, AUC for two of them, MSE and MAE for
    numbers, each with its 95 % interval, for all samples and for each value of each slice column.
    """
    from edgeopt.workflow.evaluate import evaluate

    with output.progress() as report:
        result = evaluate(model, data, report=report, seed=output.seed, **options)
    output.answer(result.as_json(), show="evaluate")
