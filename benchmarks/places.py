"""Where the models and data of the benchmarks lie."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
RESULTS = ROOT / "docs" / "results"
EDGEOPT = str(Path(sys.executable).with_name("edgeopt"))


@dataclass(frozen=True, slots=True)
class Case:
    """A trained model with data to calibrate and judge it on."""

    name: str
    model: Path
    data: Path

    @property
    def is_here(self) -> bool:
        """Whether both files are on this machine."""
        return self.model.exists() and self.data.exists()


DIGITS = Case("digits_resnet8", ROOT / "models" / "digits_resnet8.onnx", ROOT / "models" / "digits.npz")
KWS = Case("kws_dscnn", SHARED / "kws" / "kws_dscnn.onnx", SHARED / "kws" / "eval.npz")
IC = Case("ic_resnet8", SHARED / "mlperf_tiny" / "ic_resnet8.onnx", SHARED / "mlperf_tiny" / "ic_eval500.npz")


def cases() -> list[Case]:
    """The cases whose files are here."""
    return [case for case in (KWS, IC, DIGITS) if case.is_here]
