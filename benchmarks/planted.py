"""A planted failure: channels of a depthwise-separable network made unlike in range, its function unchanged.

Per-tensor quantization has one scale for all channels of a tensor, so channels whose range is small beside the largest
lose their bits; this is what cross-layer equalization undoes (Nagel et al. 2019, https://arxiv.org/abs/1906.04721).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx


def plant(source: Path, output: Path, *, spread: float, seed: int = 0) -> int:
    """Write `source` with channels between convolutions spread by up to `spread` either way.

    Between two convolutions with a ReLU between them, of which one is depthwise, output channel c of the first gets
    the factor s_c, and input channel c of the second its inverse: ReLU(s·x) = s·ReLU(x) for s > 0. ln s is uniform in
    [-ln spread, ln spread].

    Args:
        source: A float ONNX model whose weights are initializers.
        output: Where the other goes.
        spread: 1 changes nothing.
        seed: Seed of the factors.

    Returns:
        How many pairs were spread.

    Raises:
        ValueError: There is no such pair.
    """
    import onnx

    model = onnx.load(source)
    generator = np.random.default_rng(seed)
    pairs = _pairs(model.graph)
    if not pairs:
        raise ValueError(f"`{source}` has no depthwise convolution with a ReLU and another convolution beside it")
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for first, second in pairs:
        channels = weights[first.input[1]].dims[0]
        factors = np.exp(generator.uniform(-np.log(spread), np.log(spread), channels))
        for name in first.input[1:]:
            _scale(weights[name], factors, axis=0)
        _scale(weights[second.input[1]], 1 / factors, axis=0 if _is_depthwise(second, weights) else 1)
    onnx.save(model, output)
    return len(pairs)


def _pairs(graph: onnx.GraphProto) -> list[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Convolutions that follow each other through a ReLU that only the second reads, one of them depthwise."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    found = []
    for second in graph.node:
        relu = makers.get(second.input[0]) if second.op_type == "Conv" else None
        first = makers.get(relu.input[0]) if relu is not None and relu.op_type == "Relu" else None
        if relu is None or first is None or first.op_type != "Conv":
            continue
        is_alone = readers[relu.output[0]] == readers[first.output[0]] == 1
        if is_alone and _is_depthwise(first, weights) != _is_depthwise(second, weights):
            found.append((first, second))
    return found


def _is_depthwise(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return groups > 1 and groups == weights[node.input[1]].dims[0]


def _scale(tensor: onnx.TensorProto, factors: np.ndarray, *, axis: int) -> None:
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    shape = [-1 if position == axis else 1 for position in range(values.ndim)]
    scaled = (values.astype(np.float64) * factors.reshape(shape)).astype(values.dtype)
    tensor.CopyFrom(numpy_helper.from_array(scaled, tensor.name))
