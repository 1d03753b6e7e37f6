"""The tools that make a .tflite file, each as a command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from places import EDGEOPT, ROOT

VENVS = ROOT / "benchmarks" / "peers" / ".venvs"
RIVALS = ROOT / "benchmarks" / "peers" / "rivals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network to convert.

    Attributes:
        name: As tables have it.
        model: The ONNX file.
        module: Its module in models/, for tools that start from torch; empty where there is none.
        options: Of the module's `build`.
    """

    name: str
    model: Path
    module: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


class Converter(Protocol):
    """One tool."""

    @property
    def name(self) -> str:
        """As tables have it."""

    @property
    def takes_onnx(self) -> bool:
        """Whether it converts the ONNX file, or a torch module of the same architecture with weights of its own."""

    def missing(self, network: Network) -> str:
        """Why it cannot convert `network` here; empty where it can."""

    def command(self, network: Network, folder: Path) -> list[str]:
        """What to run; the first word is an absolute path."""

    def made(self, network: Network, folder: Path) -> Path:
        """The file that the command then has written to `folder`."""


@dataclass(frozen=True, slots=True)
class Edgeopt:
    """The command line of this tree, its proof of the conversion included."""

    name: str = "edgeopt"
    takes_onnx: bool = True

    def missing(self, network: Network) -> str:
        """See `Converter`."""
        return "" if network.model.exists() else f"no file {network.model.name}"

    def command(self, network: Network, folder: Path) -> list[str]:
        """See `Converter`."""
        output = str(self.made(network, folder))
        return [EDGEOPT, "convert", str(network.model), "-o", output, "--force", "--no-record", "--quiet"]

    def made(self, network: Network, folder: Path) -> Path:
        """See `Converter`."""
        return folder / f"{network.name}.edgeopt.tflite"


@dataclass(frozen=True, slots=True)
class Onnx2tf:
    """onnx2tf's own writer, without TensorFlow."""

    name: str = "onnx2tf"
    takes_onnx: bool = True

    def missing(self, network: Network) -> str:
        """See `Converter`."""
        if not self._program().exists():
            return "onnx2tf is not installed: `make peers-onnx2tf`, with Python 3.12 or newer"
        return "" if network.model.exists() else f"no file {network.model.name}"

    def command(self, network: Network, folder: Path) -> list[str]:
        """See `Converter`."""
        return [str(self._program()), "-i", str(network.model), "-o", str(folder / "onnx2tf"), "-n"]

    def made(self, network: Network, folder: Path) -> Path:
        """See `Converter`."""
        return folder / "onnx2tf" / f"{network.model.stem}_float32.tflite"

    def _program(self) -> Path:
        return VENVS / "onnx2tf" / "bin" / "onnx2tf"


@dataclass(frozen=True, slots=True)
class LitertTorch:
    """litert-torch, from the torch module."""

    name: str = "litert-torch"
    takes_onnx: bool = False

    def missing(self, network: Network) -> str:
        """See `Converter`."""
        if not self._python().exists():
            return "litert-torch is not installed: `make peers-litert-torch`"
        return "" if network.module else "no torch module"

    def command(self, network: Network, folder: Path) -> list[str]:
        """See `Converter`."""
        script, options = str(RIVALS / "litert_torch_convert.py"), json.dumps(network.options)
        return [str(self._python()), script, str(ROOT), network.module, options, str(self.made(network, folder))]

    def made(self, network: Network, folder: Path) -> Path:
        """See `Converter`."""
        return folder / f"{network.name}.litert-torch.tflite"

    def _python(self) -> Path:
        return VENVS / "litert-torch" / "bin" / "python"


CONVERTERS: tuple[Converter, ...] = (Edgeopt(), Onnx2tf(), LitertTorch())
