"""All rewrites of a float graph for integers, in the order in which one makes room for the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeopt.graph.rewrite.dense import merge_biases
from edgeopt.graph.rewrite.gelu import order_gelus
from edgeopt.graph.rewrite.pooling import pool_means
from edgeopt.graph.rewrite.reshapes import merge_reshapes, merge_transposes
from edgeopt.graph.rewrite.scalars import merge_scalars
from edgeopt.graph.rewrite.sums import part_sums
from edgeopt.graph.rewrite.values import name_nodes

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

_REWRITES = (
    name_nodes,
    pool_means,
    merge_transposes,
    merge_biases,
    merge_scalars,
    merge_reshapes,
    order_gelus,
    part_sums,
)
_LARGEST_INFERRED = 1 << 10  # elements; a constant that gives a shape, an axis or a number is smaller


def rewrite_for_integers(model: ir.Model) -> None:
    """Apply, in place, every rewrite; the function stays the same up to rounding in float32.

    Names of inputs and outputs of the graph stay, and so does the name of a node that is only replaced; one
    without gets that of its first output. Rewrites that
    need lengths of axes pass over values without; `with_shapes` gives most.
    """
    for rewrite in _REWRITES:
        rewrite(model.graph)
        _drop_unused(model.graph)


def with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, in place, with the shape of each value of its main graph that inference can tell."""
    import onnx

    try:
        inferred = onnx.shape_inference.infer_shapes(_without_large_constants(model), strict_mode=False, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return model  # a runtime takes it; what it says of its shapes is all there is
    del model.graph.value_info[:]
    model.graph.value_info.extend(inferred.graph.value_info)
    return model


def _without_large_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without the data of large constants, of which inference needs the shape alone."""
    import onnx

    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph = model.graph
    for field in ("node", "input", "output", "value_info", "sparse_initializer"):
        getattr(bare.graph, field).extend(getattr(graph, field))
    bare.graph.name = graph.name
    for tensor in graph.initializer:
        if np.prod(tensor.dims, dtype=np.int64) <= _LARGEST_INFERRED:
            bare.graph.initializer.append(tensor)
        else:
            bare.graph.initializer.add(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
    return bare


def _drop_unused(graph: ir.Graph) -> None:
    """Nodes and constants that nothing reads any more."""
    for node in reversed(list(graph)):
        if not any(output.uses() or output.is_graph_output() for output in node.outputs):
            graph.remove(node, safe=True)
    unused = [name for name, value in graph.initializers.items() if not value.uses() and not value.is_graph_output()]
    for name in unused:
        del graph.initializers[name]
