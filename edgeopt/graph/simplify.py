"""What a graph computes twice, for nobody or in two steps, taken off, and kept off only if outputs stay equal.

ONNX Runtime's rewrites (`edgeopt/graph/fold.py`) leave dead nodes, equal subexpressions, equal weights, and norms
behind a Gemm in the graph; onnx-ir's passes take the first two off (docs/adr/0012).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgeopt.graph.agreement import Feeds, Verdict, agreement
from edgeopt.graph.products import merge_into_products
from edgeopt.graph.runtime import first_cause
from edgeopt.graph.save import fits_one_message
from edgeopt.graph.subgraphs import names_read

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

_MATRIX_RANK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Simplified:
    """A model and what was taken off it.

    Attributes:
        model: The simpler model, or the one that was given where nothing could be taken off.
        nodes: Nodes taken off.
        constants: Constants taken off.
        warnings: Why a simpler graph was not kept.
    """

    model: onnx.ModelProto
    nodes: int = 0
    constants: int = 0
    warnings: tuple[str, ...] = ()


def simplified(
    model: onnx.ModelProto,
    *,
    where: str,
    samples: Iterable[Feeds] = (),
    fixed: Mapping[str, NDArray[Any]] | None = None,
) -> Simplified:
    """`model` without dead nodes, equal subexpressions, equal weights and norms behind a Gemm.

    What was given stays as it is.

    The simpler graph is kept only if it computes the same on random inputs (`agreement`). A model above 2 GiB is given
    back as it is: the proof would take several times its memory.

    Args:
        model: A model with its data in memory.
        where: What to call it in a warning.
        samples: Real inputs that both are run on too.
        fixed: Inputs that stand for constants (see `agreement`).
    """
    import onnx_ir as ir

    if not fits_one_message(model) or not _has_something(model.graph):
        return Simplified(model=model)
    try:
        intermediate = ir.serde.deserialize_model(model)
        if not _simplify(intermediate):
            return Simplified(model=model)
        simpler = ir.serde.serialize_model(intermediate)
    except (ir.serde.SerdeError, ir.passes.PassError, ValueError, TypeError) as error:
        return Simplified(model=model, warnings=(f"`{where}` is not simplified: {first_cause(error)}",))
    found = agreement(model, simpler, samples=samples, fixed=fixed)
    if found.verdict is not Verdict.EQUAL:
        told = f"`{where}` is not simplified: the simpler graph is not proven equal ({found.reason})"
        return Simplified(model=model, warnings=(told,))
    # onnx-ir 0.1.16 drops the type of an output that equals another tensor.
    del simpler.graph.output[:]
    simpler.graph.output.extend(model.graph.output)
    return Simplified(
        model=simpler,
        nodes=len(model.graph.node) - len(simpler.graph.node),
        constants=len(model.graph.initializer) - len(simpler.graph.initializer),
    )


def _has_something(graph: onnx.GraphProto) -> bool:
    """Whether there may be something to take off; most graphs have nothing, and need no passes loaded."""
    read = {name for node in graph.node for name in names_read(node)} | {value.name for value in graph.output}
    made, gemms = set[tuple[object, ...]](), set[str]()
    for node in graph.node:
        attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
        made.add((node.op_type, node.domain, tuple(node.input), tuple(attributes)))
        is_dead = not read.intersection(node.output)
        is_gemm = node.op_type == "Gemm"
        has_factor = is_gemm and any(each.name in ("alpha", "beta") and each.f != 1.0 for each in node.attribute)
        is_norm = node.op_type == "BatchNormalization" and node.input[0] in gemms
        if is_dead or has_factor or is_norm:
            return True
        gemms.update(node.output if is_gemm else ())
    return len(made) < len(graph.node) or _has_equal_weights(graph)


def _has_equal_weights(graph: onnx.GraphProto) -> bool:
    alike: dict[tuple[object, ...], list[onnx.TensorProto]] = {}
    for tensor in graph.initializer:
        if len(tensor.dims) >= _MATRIX_RANK:
            alike.setdefault((tensor.data_type, *tensor.dims), []).append(tensor)
    groups = (group for group in alike.values() if len(group) > 1)
    return any(len({hashlib.sha256(each.raw_data).digest() for each in group}) < len(group) for group in groups)


def _simplify(model: ir.Model) -> bool:
    """Take off, in place, what can be; whether there was something."""
    from onnx_ir.passes import common

    _drop_unused_constants(model.graph)  # that alone changes nothing that would need a proof
    is_changed = merge_into_products(model.graph)
    is_changed |= _share_equal_weights(model.graph)
    for rewrite in (common.CommonSubexpressionEliminationPass(), common.RemoveUnusedNodesPass()):
        is_changed |= rewrite(model).modified
    return is_changed


def _drop_unused_constants(graph: ir.Graph) -> None:
    unused = [name for name, value in graph.initializers.items() if not value.uses() and not value.is_graph_output()]
    for name in unused:
        del graph.initializers[name]


def _share_equal_weights(graph: ir.Graph) -> bool:
    """Let readers of equal weights read one of them; vectors, as biases are, stay their layers' own."""
    import onnx_ir as ir

    seen: dict[tuple[object, ...], ir.Value] = {}
    is_changed = False
    for value in list(graph.initializers.values()):
        tensor = value.const_value
        if tensor is None or tensor.dtype is ir.DataType.STRING or len(tensor.shape) < _MATRIX_RANK:
            continue
        key = (tensor.dtype, tuple(tensor.shape.numpy()), hashlib.sha256(tensor.tobytes()).digest())
        first = seen.setdefault(key, value)
        if first is not value and not value.is_graph_output():
            ir.convenience.replace_all_uses_with(value, first)
            del graph.initializers[str(value.name)]
            is_changed = True
    return is_changed
