"""ONNX Runtime's own static quantization: `quant_pre_process`, then `quantize_static` in QDQ form.

    python onnxruntime_static.py MODEL SAMPLES.npz OUTPUT JSON

JSON: `method` (MinMax, Entropy, Percentile), `activations` (QUInt8, QInt8), `per_channel`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Samples(CalibrationDataReader):
    """One sample at a time, as the rival's own examples feed them."""

    def __init__(self, path: str) -> None:
        with np.load(path) as arrays:
            self.inputs = {name: arrays[name] for name in arrays.files if name != "part"}
        self.rows = self._rows()

    def _rows(self) -> Iterator[dict[str, Any]]:
        count = len(next(iter(self.inputs.values())))
        return iter([{name: rows[i : i + 1] for name, rows in self.inputs.items()} for i in range(count)])

    def get_next(self) -> dict[str, Any] | None:
        """The next sample; None after the last."""
        return next(self.rows, None)


def main() -> None:
    """Quantize as asked."""
    source, samples, output, text = sys.argv[1:]
    options = json.loads(text)
    prepared = Path(f"{output}.prepared")
    try:
        quant_pre_process(source, str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            output,
            Samples(samples),
            quant_format=QuantFormat.QDQ,
            per_channel=options["per_channel"],
            activation_type=getattr(QuantType, options["activations"]),
            weight_type=QuantType.QInt8,
            calibrate_method=getattr(CalibrationMethod, options["method"]),
        )
    finally:
        prepared.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
