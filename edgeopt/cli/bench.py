"""`edgeopt bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeopt.cli.options import MODEL, Output, complete_targets, measuring


@click.command("bench")
@click.argument("models", nargs=-1, type=MODEL)
@click.option("--against", type=MODEL, help="A base to compare with, measured in turn with the models.")
@click.option("--target", multiple=True, default=("host",), show_default=True, shell_complete=complete_targets)
@click.option(
    "--metric", type=click.Choice(["latency", "memory", "instructions", "energy"]), default="latency", show_default=True
)
@click.option(
    "--runtime",
    metavar="NAME",
    help="onnxruntime, litert or litert-reference, by default that of the format; of an estimate one that has data.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Threads per inference, pinned to cores: 1 where measured; of an estimate those that have data.",
)
@click.option(
    "--dtype", type=click.Choice(["float32", "float16", "int8"]), help="Of an estimate; else the model's own."
)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Samples per inference.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1x3x32x32", help="Shape of an input with free axes.")
@click.option("--processes", type=int, default=10, show_default=True, help="Fresh processes to time in.")
@click.option(
    "--soak", metavar="10min", help="Also run each model that long without a pause: do speed and memory last?"
)
@click.option("--explain", is_flag=True, help="Of an estimate: what each layer costs, and what bounds it.")
@click.option("--benchmark-json", type=click.Path(), help="Write what pytest-benchmark writes, for its compare.")
@click.option("--force", is_flag=True, help="Overwrite an existing output.")
@measuring
def command(
    models: tuple[str, ...],
    shapes: tuple[str, ...],
    benchmark_json: str | None,
    force: bool,
    output: Output,
    **options: Any,
) -> None:
    """Measure latency, load time, throughput and memory, or estimate latency on a device that is not here.

    Without MODELS: that of ./edgeopt.toml, else the one that ships. Models are timed in fresh processes, by turns, with
    threads pinned, after a warm-up that ends when times are stable. Raw samples are kept in the record (--json).

    For a --target other than host the latency is estimated from published measurements, with an interval that holds 9
    of 10 networks of unseen families, and so is the energy where power was measured. It is never taken for a
    measurement: no rule of the gate is decided by it.

    With --soak each model then runs without a pause, and the last third of the time is held against the first. Ctrl-C
    ends that early: what was measured is judged and shown, and the exit code is 130.
    """
    from edgeopt.core.files import require_writable
    from edgeopt.errors import INTERRUPTED_EXIT_CODE
    from edgeopt.workflow.bench import SoakInterrupted, bench

    if benchmark_json:
        require_writable(Path(benchmark_json), force=force)
    code = 0
    try:
        with output.progress() as report:
            result = bench(*models, shapes=dict(map(_shape, shapes)), report=report, seed=output.seed, **options)
    except SoakInterrupted as interrupted:
        result, code = interrupted.result, INTERRUPTED_EXIT_CODE
    record = result.as_json()
    if benchmark_json:
        from edgeopt.report.pytest_benchmark import write_benchmark_json

        write_benchmark_json(record, Path(benchmark_json), force=force)
    output.answer(record, show="bench")
    click.get_current_context().exit(code)


def _shape(text: str) -> tuple[str, list[int]]:
    name, _, lengths = text.rpartition("=")
    parts = lengths.split("x")
    if not name or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"`{text}` is not like `image=1x3x32x32`", param_hint="--shape")
    return name, [int(part) for part in parts]
