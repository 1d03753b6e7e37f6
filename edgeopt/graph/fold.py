"""Constants folded and batch norms merged, by ONNX Runtime's own semantics-preserving rewrites.

ONNX Runtime's *basic* level writes standard ONNX operators only: constants folded, dead nodes removed, BatchNorm, Mul
and Add merged into Conv, MatMul+Add into Gemm, Pad into Conv. It is the very runtime that executes the result
(docs/adr/0004).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.errors import InputError
from edgeopt.graph.integers import hidden_integers
from edgeopt.graph.runtime import PROVIDERS, RUNTIME_HINT, first_line, runtime_errors
from edgeopt.graph.save import as_source, fits_one_message

if TYPE_CHECKING:
    import onnx

# Keys of a session's configuration (onnxruntime_session_options_config_keys.h).
_KEEP_QUANTIZATION = "session.disable_quant_qdq"
# They run all the same, and round what goes through a Transpose before it, be that an output of the model.
_MOVING_QUANTIZERS = ["QDQPropagationTransformer", "TransposeOptimizer"]
_EXTERNAL_FILE = "session.optimized_model_external_initializers_file_name"
_EXTERNAL_FROM = "session.optimized_model_external_initializers_min_size_in_bytes"


def folded(model: onnx.ModelProto, *, where: str, keeps_quantization: bool = False) -> onnx.ModelProto:
    """`model` after ONNX Runtime's basic graph rewrites.

    Args:
        model: A model with its data in memory.
        where: What to call it in an error.
        keeps_quantization: Whether quantize and dequantize nodes stay where they are: they are moved otherwise.

    Raises:
        InputError: ONNX Runtime does not take the model.
    """
    import onnx
    import onnxruntime

    hidden = hidden_integers(model) if keeps_quantization else None
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if keeps_quantization:
        options.add_session_config_entry(_KEEP_QUANTIZATION, "1")
    with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
        options.optimized_model_filepath = str(Path(folder, "folded.onnx"))
        if not fits_one_message(model):
            options.add_session_config_entry(_EXTERNAL_FILE, "folded.data")
            options.add_session_config_entry(_EXTERNAL_FROM, "1024")  # bytes
        try:
            with as_source(model if hidden is None else hidden.model) as source:
                onnxruntime.InferenceSession(
                    source,
                    options,
                    providers=PROVIDERS,
                    enable_fallback=0,
                    disabled_optimizers=_MOVING_QUANTIZERS if keeps_quantization else None,
                )
        except runtime_errors() as error:
            raise InputError(f"ONNX Runtime does not take `{where}`: {first_line(error)}", hint=RUNTIME_HINT) from error
        result = onnx.load(options.optimized_model_filepath)
    _drop_unused_opsets(result)
    return result if hidden is None else hidden.shown_in(result)


def _drop_unused_opsets(model: onnx.ModelProto) -> None:
    """The runtime imports every domain that it knows; keep those that a node uses."""
    used = {node.domain for node in model.graph.node} | {"", "ai.onnx"}
    used |= {node.domain for function in model.functions for node in function.node}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
