"""Every tensor of a TFLite model, not its outputs alone, as LiteRT's reference kernels compute them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt._optional import require
from edgeopt.graph.tflite.read import read_content, read_tflite


def litert_tensors(path: Path, feeds: Mapping[str, NDArray[Any]], names: Collection[str]) -> dict[str, NDArray[Any]]:
    """The tensors called `names`, of the main graph, for one inference; integers with a scale as what they stand for.

    XNNPACK keeps no tensors between the nodes that it takes, so that the reference kernels run.

    Args:
        path: A TFLite file.
        feeds: Inputs by name.
        names: Of tensors; one that the graph lacks is left out.

    Raises:
        InputError: The file is damaged.
        ExtraMissing: LiteRT is not installed.
    """
    litert = require("ai_edge_litert.interpreter", purpose="run TFLite models")
    content = read_content(path)
    model = read_tflite(path, content)
    graph = model.graphs[0]
    interpreter = litert.Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    for spec, place in zip(model.interface.inputs, model.interface.input_places, strict=True):
        interpreter.set_tensor(place, feeds[spec.name])
    interpreter.invoke()
    computed = {index for operator in graph.operators for index in operator.outputs if index >= 0} | {*graph.inputs}
    found: dict[str, NDArray[Any]] = {}
    for index in sorted(computed):
        tensor = graph.tensors[index]
        if tensor.name in names and tensor.name not in found:
            found[tensor.name] = _meant(interpreter.get_tensor(index), tensor.scales, tensor.zero_points)
    return found


def _meant(values: NDArray[Any], scales: tuple[float, ...], zero_points: tuple[int, ...]) -> NDArray[Any]:
    if values.dtype.kind not in "iu" or len(scales) != 1:
        return values
    return np.asarray((values.astype(np.float32) - (*zero_points, 0)[0]) * np.float32(scales[0]), dtype=np.float32)
