"""Which version of the ONNX operators a model is exported in, by the runtime that is to take it."""

from __future__ import annotations

from edgeopt.errors import InputError

# torch's exporter is written in opset 18, so that nothing is converted, and it cannot always go below it. edgeopt's own
# converter to TFLite reads 18, and skl2onnx 1.18 and later write it.
DEFAULT_OPSET = 18
SMALLEST_OPSET = 13  # per-channel quantization came with it
LARGEST_OPSET = 23  # what torch 2.13 writes; ONNX Runtime takes it from 1.22 on

# ONNX Runtime -> the newest opset that it takes:
# https://onnxruntime.ai/docs/reference/compatibility.html#onnx-opset-support
_OF_ONNX_RUNTIME: dict[tuple[int, int], int] = {
    (1, 7): 13,
    (1, 8): 14,
    (1, 9): 15,
    (1, 11): 16,
    (1, 12): 17,
    (1, 14): 18,
}


def opset_for(runtime: str = "onnxruntime", version: str = "") -> int:
    """The opset to export in: `DEFAULT_OPSET`, or an older one where the runtime takes no newer.

    Args:
        runtime: `onnxruntime`, or a runtime that is reached by way of ONNX, as `litert`.
        version: Of the runtime, as in `1.13.1`; empty where it is not known.

    Raises:
        InputError: The version is none, or too old for any quantized model.
    """
    if runtime != "onnxruntime" or not version:
        return DEFAULT_OPSET
    parts = version.split(".")
    if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):
        raise InputError(f"`{version}` is no version of ONNX Runtime", hint="write it like `1.20`")
    asked = (int(parts[0]), int(parts[1]))
    taken = [opset for first, opset in _OF_ONNX_RUNTIME.items() if first <= asked]
    if not taken:
        raise InputError(f"ONNX Runtime `{version}` takes no opset from {SMALLEST_OPSET} on", hint="1.7 is the first")
    return max(taken)


def checked_opset(opset: int | None) -> int:
    """The opset asked for, or the default.

    Raises:
        InputError: It is none that can be written.
    """
    if opset is None:
        return DEFAULT_OPSET
    if not SMALLEST_OPSET <= opset <= LARGEST_OPSET:
        raise InputError(
            f"opset `{opset}` cannot be written", hint=f"give one from {SMALLEST_OPSET} to {LARGEST_OPSET}"
        )
    return opset
