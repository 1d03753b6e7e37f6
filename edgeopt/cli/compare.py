"""`edgeopt compare`."""

from __future__ import annotations

from pathlib import Path
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
@click.option("--markdown", type=click.Path(), help="Write a Markdown report with plots.")
@click.option("--force", is_flag=True, help="Overwrite an existing report.")
@measuring
def command(
    base: str,
    candidate: str,
    data: str | None,
    *,
    markdown: str | None,
    force: bool,
    output: Output,
    **options: Any,
) -> None:
    """Compare two models on the same samples.

    BASE and CANDIDATE are models, or prediction files that `edgeopt evaluate --predictions` wrote. The comparison is
    paired: how many predictions changed, how many of these for the worse, and what that says about accuracy, over all
    samples and on every slice.
    """
    from edgeopt.core.files import require_writable, write_text
    from edgeopt.workflow.compare import compare

    if markdown:
        require_writable(Path(markdown), force=force)
    with output.progress() as report:
        result = compare(base, candidate, data, report=report, seed=output.seed, **options)
    record = result.as_json()
    if markdown:
        from edgeopt.report.markdown import markdown_report

        write_text(Path(markdown), markdown_report(record), force=force)
    output.answer(record, show="compare")
