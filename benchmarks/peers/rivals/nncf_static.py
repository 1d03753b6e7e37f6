"""NNCF's post-training quantization of an ONNX model, with its default preset.

    python nncf_static.py MODEL SAMPLES.npz OUTPUT JSON

JSON: `per_channel` of the weights, `is_transformer`. Runs in the environment that `make peers-nncf` sets up.
"""

from __future__ import annotations

import json
import sys

import nncf
import numpy as np
import onnx
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, QuantizationParameters


def main() -> None:
    """Quantize as asked."""
    source, samples, output, text = sys.argv[1:]
    options = json.loads(text)
    with np.load(samples) as arrays:
        inputs = {name: arrays[name] for name in arrays.files if name != "part"}
    count = len(next(iter(inputs.values())))
    rows = [{name: values[i : i + 1] for name, values in inputs.items()} for i in range(count)]
    per_tensor = AdvancedQuantizationParameters(
        weights_quantization_params=QuantizationParameters(per_channel=False),
    )
    made = nncf.quantize(
        onnx.load(source),
        nncf.Dataset(rows),
        subset_size=count,
        model_type=nncf.ModelType.TRANSFORMER if options["is_transformer"] else None,
        advanced_parameters=None if options["per_channel"] else per_tensor,
    )
    onnx.save(made, output)


if __name__ == "__main__":
    main()
