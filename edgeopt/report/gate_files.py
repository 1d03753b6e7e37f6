"""The files that `gate` writes beside its answer, whatever the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeopt.core.files import require_writable, write_text
from edgeopt.errors import InputError
from edgeopt.report.figures import Record
from edgeopt.report.github import is_github, summary
from edgeopt.report.junit import junit_document
from edgeopt.report.markdown import markdown_report

# option -> what it writes
GATE_REPORTS: dict[str, Callable[[Record], str]] = {
    "junit": junit_document,
    "markdown": markdown_report,
    "summary": summary,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFiles:
    """Where each report goes.

    Attributes:
        paths: Key of `GATE_REPORTS` -> file.
        step_summary: The file of GitHub's step summary, which is appended to; None outside GitHub.
        force: Overwrite existing files.
    """

    paths: Mapping[str, Path]
    step_summary: Path | None = None
    force: bool = False

    def require_writable(self, inputs: Iterable[Path]) -> None:
        """Check, before anything is measured, that every file may be written.

        Args:
            inputs: Files that are read, which no report may replace.

        Raises:
            InputError: A file may not be written, is an input, or is named twice.
        """
        taken = {path.resolve(): "is an input" for path in inputs}
        for option, path in self.paths.items():
            place = path.resolve()
            if place in taken:
                raise InputError(f"output `{path}` of `--{option}` {taken[place]}", hint="choose another name")
            taken[place] = "is another output already"
            require_writable(path, force=self.force or place == self._appended)

    def write(self, record: Record) -> None:
        """Write every report, each whole or not at all.

        Raises:
            InputError: A file cannot be written any more.
        """
        for option, path in self.paths.items():
            if option != "summary" or path.resolve() != self._appended:
                write_text(path, GATE_REPORTS[option](record), force=self.force)
        if self.step_summary:
            _append_summary(self.step_summary, record)

    @property
    def _appended(self) -> Path | None:
        return self.step_summary.resolve() if self.step_summary else None


def gate_files(named: Mapping[str, str | None], environ: Mapping[str, str], *, force: bool) -> GateFiles:
    """The files that the options name; in a step of GitHub Actions, without `--summary`, the step's own summary too.

    Args:
        named: Key of `GATE_REPORTS` -> what the user gave.
        environ: Environment variables.
        force: Overwrite existing files.
    """
    paths = {option: Path(name) for option, name in named.items() if name}
    place = environ.get("GITHUB_STEP_SUMMARY") if is_github(environ) else None
    own = Path(place) if place else None
    if own and "summary" in paths:
        is_meant = paths["summary"].resolve() == own.resolve()
    else:  # a container may know the variable and lack the folder; a summary that nobody asked for fails no gate
        is_meant = own is not None and own.parent.is_dir()
    return GateFiles(paths=paths, step_summary=own if is_meant else None, force=force)


def _append_summary(path: Path, record: Record) -> None:
    """Append to what the step has written already.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        written = path.stat().st_size if path.exists() else 0
        with path.open("a", encoding="utf-8") as stream:
            stream.write("\n" * bool(written) + summary(record, written_bytes=written))
    except OSError as error:
        raise InputError(f"step summary `{path}` cannot be written: {error.strerror}") from error
