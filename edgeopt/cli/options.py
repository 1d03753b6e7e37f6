"""Options that commands share, and how every command prints."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from edgeopt.errors import EdgeoptError

if TYPE_CHECKING:
    from edgeopt.data.preprocess import Preprocess

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's answer and its talk go.

    Attributes:
        as_json: Print the record as JSON, not as text.
        is_quiet: Say nothing on stderr.
        seed: Seed of all that is drawn.
        is_recording: Keep the answer in the store.
        beside: The folder that the store lies in, that of the configuration in use; None for the working directory.
    """

    as_json: bool
    is_quiet: bool
    seed: int
    is_recording: bool = False
    beside: Path | None = None

    def at(self, config: str | None) -> Output:
        """The same for a command that reads a configuration, beside which its store lies."""
        return replace(self, beside=Path(config).parent) if config else self

    def cache(self, *, is_off: bool) -> Path | None:
        """Folder of the store that steps are taken from and kept in; None where nothing is to be recorded."""
        if is_off or not self.is_recording:
            return None
        from edgeopt.store.store import Store

        return Store.find(self.beside).folder

    def answer(self, record: dict[str, Any], *, show: str) -> None:
        """Print the answer once: the JSON record, or the text that `edgeopt.report.text` makes of it.

        Args:
            record: What `as_json()` of the workflow's result gave.
            show: Name of the text view.
        """
        if self.as_json:
            from edgeopt.core.run import json_text

            click.echo(json_text(record), nl=False)
        else:
            from edgeopt.report.text import print_view

            print_view(show, record)
        for warning in record.get("warnings", []):
            self.warn(warning)
        if self.is_recording:
            self._record(record)

    def _record(self, record: dict[str, Any]) -> None:
        """Keep the run in the store; that it cannot be kept is a warning and changes nothing else."""
        from edgeopt.core.run import run_from_json
        from edgeopt.store.store import Store
        from edgeopt.workflow.record import record_run

        try:
            warnings = record_run(run_from_json(record, where="this run"), store=Store.find(self.beside)).warnings
        except EdgeoptError as error:
            hint = f" ({error.hint})" if error.hint else ""
            warnings = (f"this run is not recorded: {error.message}{hint}; `--no-record` does without the record",)
        for warning in warnings:
            self.warn(warning)

    def say(self, text: str) -> None:
        """Talk, on stderr; --quiet silences it."""
        if not self.is_quiet:
            click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """A warning, on stderr; --quiet silences it."""
        from edgeopt.report.escape import printable

        self.say(click.style("warning: ", fg="yellow", bold=True) + printable(text))

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, int, int], None]]:
        """A bar with the time that is left, on a terminal; elsewhere nothing."""
        if self.is_quiet or not sys.stderr.isatty():
            from edgeopt.workflow.progress import silent

            yield silent
            return
        from edgeopt.report.progress import progress_bar

        with progress_bar() as report:
            yield report


def common(function: Function) -> Function:
    """`--json`, `--quiet`, `--verbose`, `--seed` and `--help`; the command gets an `output`, which holds the seed."""
    return _with_output(function, is_recording=False)


def measuring(function: Function) -> Function:
    """`common` for a command whose runs are recorded in the store, and `--no-record`."""
    function = _with_output(function, is_recording=True)
    return click.option("--no-record", is_flag=True, help="Do not keep this run in the store (see `edgeopt runs`).")(
        function
    )


def _with_output(function: Function, *, is_recording: bool) -> Function:

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
    @click.option("-q", "--quiet", is_flag=True, help="No progress, talk or warnings.")
    @click.option("-v", "--verbose", is_flag=True, expose_value=False, help="Show the traceback of a bug.")
    @click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all that is drawn.")
    @functools.wraps(function)
    def wrapped(*args: Any, as_json: bool, quiet: bool, seed: int, no_record: bool = False, **kwargs: Any) -> Any:
        is_kept = is_recording and not no_record and not kwargs.get("dry_run", False)
        return function(*args, output=Output(as_json, quiet, seed, is_kept), **kwargs)

    return wrapped  # type: ignore[return-value]  # it takes what the decorators above it give


def writing(function: Function) -> Function:
    """`--force` and `--dry-run`."""
    function = click.option("--force", is_flag=True, help="Overwrite an existing output.")(function)
    return click.option("--dry-run", is_flag=True, help="Do all but write.")(function)


def preprocessing(function: Function) -> Function:
    """`--scale`, `--mean`, `--std` and `--layout`; the command gets a `preprocess`."""
    return _preprocessing(function, layout="--layout")


def preprocessing_beside_layout(function: Function) -> Function:
    """`preprocessing` for a command whose `--layout` is that of what it makes: `--data-layout` is that of the data."""
    return _preprocessing(function, layout="--data-layout")


def _preprocessing(function: Function, *, layout: str) -> Function:

    @click.option("--scale", type=float, default=1.0, help="Factor on raw values, applied first (0.00392 is 1/255).")
    @click.option("--mean", metavar="M[,M…]", help="Subtracted after scaling, once or per channel.")
    @click.option("--std", metavar="S[,S…]", help="Divides last, once or per channel.")
    @click.option(
        layout,
        "data_layout",
        type=click.Choice(["nchw", "nhwc"]),
        help="Layout of the data, where the model has another.",
    )
    @functools.wraps(function)
    def wrapped(*args: Any, scale: float, mean: str | None, std: str | None, data_layout: Any, **kwargs: Any) -> Any:
        return function(*args, preprocess=_preprocess(scale, mean, std, data_layout), **kwargs)

    return wrapped  # type: ignore[return-value]  # it takes what the decorators above it give


def _preprocess(scale: float, mean: str | None, std: str | None, layout: Any) -> Preprocess:
    from edgeopt.data.preprocess import Preprocess

    return Preprocess(scale=scale, mean=_numbers(mean, "--mean"), std=_numbers(std, "--std"), layout=layout)


def _numbers(text: str | None, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise click.BadParameter(f"`{text}` is not a list of numbers like `0.5,0.5,0.5`", param_hint=option) from error


def complete_targets(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str] | list[CompletionItem]:
    """Names of targets that begin with what was typed; files, for a profile of the user's own, where none does."""
    from edgeopt.core.profiles import target_names

    names = [name for name in target_names() if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]


target_option = click.option(
    "--target", default="host", show_default=True, shell_complete=complete_targets, help="Device to make it for."
)
MODEL = click.Path(dir_okay=True)
threads_option = click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads per inference, pinned to cores."
)
no_cache_option = click.option(
    "--no-cache", is_flag=True, help="Apply every step, even where the record has its result; keep none there."
)
runtime_option = click.option(
    "--runtime",
    metavar="NAME",
    help="onnxruntime, litert or litert-reference; by default that of the format.",
)
cluster_option = click.option(
    "--cluster",
    default="",
    metavar="COLUMN",
    help="Column of samples that depend on each other, as frames of one video: intervals are over its values.",
)
