"""The networks that tools are compared on, with what they are calibrated and judged with."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from places import DIGITS, IC, KWS, ROOT, SHARED

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset, Split, split_dataset
from edgeopt.data.preprocess import Preprocess
from edgeopt.workflow.inputs import data_for, model_artifact

# What shared/data/cifar10 was trained with.
CIFAR = Preprocess(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), layout="nhwc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network with data.

    Attributes:
        name: As `--only` takes it.
        model: The ONNX file.
        data: Samples, with labels where it was trained.
        preprocess: What is done to them.
        samples: How many calibrate; the rest is judged.
        most_draws: Draws of calibration samples that are worth their time.
        is_trained: Whether its answers mean something, so that classes can be compared.
        is_transformer: NNCF wants to be told.
    """

    name: str
    model: Path
    data: Path
    preprocess: Preprocess = field(default_factory=Preprocess)
    samples: int = 200
    most_draws: int = 100
    is_trained: bool = False
    is_transformer: bool = False

    @property
    def missing(self) -> list[Path]:
        """The files that are not on this machine."""
        return [path for path in (self.model, self.data) if not path.exists()]

    def artifact(self) -> Artifact:
        """The original model."""
        return model_artifact(self.model)

    def dataset(self) -> Dataset:
        """All samples, as the model takes them."""
        return data_for(self.artifact(), self.data, self.preprocess)

    def split(self, draw: int) -> Split:
        """Calibration samples and those that are judged, by the seed `draw`."""
        return split_dataset(self.dataset(), samples=self.samples, seed=draw)


def cases_in(nets: Path) -> dict[str, Case]:
    """All cases by name; `nets` is the folder that models_for_quantization.py writes."""
    trained = [Case(name=case.name, model=case.model, data=case.data, is_trained=True) for case in (KWS, IC, DIGITS)]
    resnet20 = Case(
        name="resnet20",
        model=nets / "resnet20.onnx",
        data=SHARED / "cifar10" / "test5k.npz",
        preprocess=CIFAR,
        is_trained=True,
    )
    untrained = [
        Case(
            name=name,
            model=nets / f"{name}.onnx",
            data=nets / f"{name}.npz",
            samples=50 if name.endswith("_224") else 100,
            most_draws=1 if name.endswith("_224") else 100,
            is_transformer=name.startswith(("vit", "transformer")),
        )
        for name in UNTRAINED
    ]
    return {case.name: case for case in (*trained, resnet20, *untrained)}


UNTRAINED = (
    "autoencoder",
    "mobilenet_v1_025_96",
    "mobilenet_v2_050_32",
    "vit_32",
    "transformer_4x256_128",
    "mobilenet_v2_100_224",
    "resnet18_224",
)


def present(cases: Sequence[Case], nets: Path) -> list[Case]:
    """The cases whose files are here, after the networks that `nets` lacks were exported; says what is left out."""
    _export([case.model.stem for case in cases if case.model.parent == nets and case.missing], nets)
    for case in cases:
        if case.missing:
            print(f"{case.name}: left out, no file {', '.join(map(str, case.missing))}", file=sys.stderr)
    return [case for case in cases if not case.missing]


def _export(names: Sequence[str], nets: Path) -> None:
    if not names:
        return
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed, so nothing is exported: `make .venv/torch`", file=sys.stderr)
        return
    script = ROOT / "benchmarks" / "models_for_quantization.py"
    subprocess.run([sys.executable, str(script), str(nets), "--only", *names], check=False)
