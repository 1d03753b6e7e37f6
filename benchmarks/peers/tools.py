"""The tools that quantize, each as a command that reads a model and samples and writes an int8 model."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Protocol

from places import EDGEOPT

HERE = Path(__file__).resolve().parent
NNCF_FOLDER = HERE / ".venvs" / "nncf"
METHODS = ("MinMax", "Entropy", "Percentile")
ACTIVATIONS = {"U8S8": "QUInt8", "S8S8": "QInt8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be quantized.

    Attributes:
        model: The float model.
        samples: `.npz` of ready inputs, one array per model input; `part` is `calibration` for all of them.
        count: How many samples it holds.
        is_per_channel: Whether weights get a scale per output channel.
        is_transformer: Whether the model is one.
    """

    model: Path
    samples: Path
    count: int
    is_per_channel: bool = True
    is_transformer: bool = False


class Tool(Protocol):
    """One tool with its options."""

    @property
    def name(self) -> str:
        """As tables and `--tools` name it."""

    @property
    def missing(self) -> str:
        """Why it cannot run here; empty where it can."""

    @property
    def version(self) -> str:
        """Changes whenever its output may; empty where that cannot be told, so that nothing is kept."""

    def command(self, job: Job, output: Path) -> list[str]:
        """What to run; the first word is an absolute path."""


@dataclass(frozen=True, slots=True)
class Edgeopt:
    """The command line of this tree."""

    options: Sequence[str] = ()
    name: str = "edgeopt"
    missing: str = ""
    version: str = ""

    def command(self, job: Job, output: Path) -> list[str]:
        """See `Tool`; it measures nothing, except where speed decides what it writes."""
        words = [EDGEOPT, "quantize", str(job.model), "--data", str(job.samples), "--samples", str(job.count)]
        per_tensor = [] if job.is_per_channel else ["--per-tensor"]
        measure = [] if "--prefer" in self.options else ["--no-measure"]
        kept = ["--no-record", "--no-cache", "--force", "--quiet"]
        return [*words, *per_tensor, *measure, *kept, "-o", str(output), *self.options]


@dataclass(frozen=True, slots=True)
class OnnxRuntime:
    """`quantize_static` with one way to take ranges and one pair of types."""

    method: str
    types: str
    missing: str = ""

    @property
    def name(self) -> str:
        """See `Tool`."""
        return f"onnxruntime {self.method} {self.types}"

    @property
    def version(self) -> str:
        """The package's, and what our script says to it."""
        return f"onnxruntime {importlib.metadata.version('onnxruntime')} {script_text('onnxruntime_static.py')}"

    def command(self, job: Job, output: Path) -> list[str]:
        """See `Tool`."""
        options = {
            "method": self.method,
            "activations": ACTIVATIONS[self.types],
            "per_channel": job.is_per_channel,
        }
        return _script(sys.executable, "onnxruntime_static.py", job, output, options)


@dataclass(frozen=True, slots=True)
class Nncf:
    """NNCF's default preset, in its own environment."""

    name: str = "nncf"

    @property
    def missing(self) -> str:
        """Whether its environment is there."""
        return "" if _nncf_python().exists() else "NNCF is not installed: `make peers-nncf`"

    @property
    def version(self) -> str:
        """All that its environment is pinned to, and what our script says to it."""
        pins = (HERE / "requirements-nncf.txt").read_text(encoding="utf-8")
        return pins + script_text("nncf_static.py")

    def command(self, job: Job, output: Path) -> list[str]:
        """See `Tool`."""
        options = {"per_channel": job.is_per_channel, "is_transformer": job.is_transformer}
        return _script(str(_nncf_python()), "nncf_static.py", job, output, options)


RIVALS: tuple[Tool, ...] = (
    *(OnnxRuntime(method, types) for method, types in product(METHODS, ACTIVATIONS)),
    Nncf(),
)


@cache
def script_text(name: str) -> str:
    """The text of a rival's script."""
    return (HERE / "rivals" / name).read_text(encoding="utf-8")


def _nncf_python() -> Path:
    return NNCF_FOLDER / "bin" / "python"


def _script(python: str, name: str, job: Job, output: Path, options: dict[str, object]) -> list[str]:
    script = str(HERE / "rivals" / name)
    return [python, script, str(job.model), str(job.samples), str(output), json.dumps(options, sort_keys=True)]
