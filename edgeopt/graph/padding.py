"""Zero padding merged into the convolution behind it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.graph.subgraphs import names_read

if TYPE_CHECKING:
    import onnx


def merge_padding(graph: onnx.GraphProto) -> None:
    """Add, in place, the pads of each constant zero Pad of spatial axes to the Conv that alone reads it.

    ONNX Runtime's own fusion passes over a Pad whose optional value input is written as empty, as torch's exporter
    does.
    """
    import onnx

    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers = Counter(name for node in graph.node for name in names_read(node))
    readers.update(value.name for value in graph.output)
    producers = {name: node for node in graph.node for name in node.output}
    for node in list(graph.node):
        pad = producers.get(node.input[0]) if node.op_type == "Conv" else None
        if pad is None or pad.op_type != "Pad" or readers[pad.output[0]] != 1:
            continue
        spatial = _spatial_zero_pads(pad, constants)
        if spatial is None or any(a.name == "auto_pad" and a.s not in (b"", b"NOTSET") for a in node.attribute):
            continue
        own = next((list(a.ints) for a in node.attribute if a.name == "pads"), [0] * len(spatial))
        kept = [attribute for attribute in node.attribute if attribute.name != "pads"]
        del node.attribute[:]
        node.attribute.extend([*kept, onnx.helper.make_attribute("pads", np.add(own, spatial).tolist())])
        node.input[0] = pad.input[0]
        graph.node.remove(pad)


def _spatial_zero_pads(pad: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> list[int] | None:
    """Begins and ends per spatial axis, as Conv writes them; None where the Pad does something else."""
    import onnx

    modes = [attribute.s for attribute in pad.attribute if attribute.name == "mode"]
    inputs = [*pad.input, "", "", ""]
    if modes not in ([], [b"constant"]) or inputs[1] not in constants or inputs[3]:
        return None
    if inputs[2] and (inputs[2] not in constants or np.any(onnx.numpy_helper.to_array(constants[inputs[2]]) != 0)):
        return None
    pads = onnx.numpy_helper.to_array(constants[inputs[1]]).reshape(2, -1)
    if np.any(pads[:, :2] != 0) or np.any(pads < 0):
        return None
    return [int(length) for length in pads[:, 2:].reshape(-1)]
