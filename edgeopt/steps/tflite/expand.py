"""Operators that the ONNX standard itself defines by others, written out where no writer is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeopt.steps.tflite.control import with_branches_taken
from edgeopt.steps.tflite.evaluate import with_constants_computed
from edgeopt.steps.tflite.infinity import with_infinities_kept
from edgeopt.steps.tflite.operators import OPERATORS

if TYPE_CHECKING:
    import onnx

# Defined by others in the standard, but by what TFLite has not: random numbers, sequences. Their own names are told.
_KEPT = frozenset({"Bernoulli", "SequenceMap"})
_CONTROL = ("If", "Loop", "Scan")
_MEASURES = ("Shape", "Size")
_OWN_DOMAIN = "edgeopt"  # of functions that are made to be written out at once
_MOST_ROUNDS = 32  # of functions in functions and loops in loops; real ones are four deep


def expanded(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with operators that `OPERATORS` lacks replaced by the body that their schema gives.

    Functions of the model's own are written out, too; branches with a known condition are taken, and loops of a known
    length unrolled. What can be computed from constants then is. Operators without a body stay: lowering refuses them.

    Args:
        model: A model with its data in memory and no free axes. It stays as it is.
    """
    if _is_settled(model):
        return with_infinities_kept(model)
    for _ in range(_MOST_ROUNDS):
        before = _size(model)
        names = functions_without_writer(model)
        if names or model.functions:
            model = _inlined(model, names)
        model = with_branches_taken(with_constants_computed(_with_types(model)))
        if _size(model) == before:
            break
    return with_infinities_kept(model)


def _is_settled(model: onnx.ModelProto) -> bool:
    """Whether nothing is to be done, as with most networks."""
    has_control = any(node.op_type in (*_CONTROL, *_MEASURES) for node in model.graph.node)
    return not model.functions and not has_control and not functions_without_writer(model)


def functions_without_writer(model: onnx.ModelProto) -> list[tuple[str, str]]:
    """(domain, operator) of nodes that the standard defines by others, and that no writer is there for."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    found = {
        (node.domain, node.op_type): None
        for node in model.graph.node
        if (node.domain or node.op_type not in OPERATORS)
        and node.op_type not in _KEPT
        and _has_body(node, versions.get(node.domain, 1))
    }
    return list(found)


def _has_body(node: onnx.NodeProto, version: int) -> bool:
    import onnx

    try:
        schema: Any = onnx.defs.get_schema(node.op_type, version, node.domain)
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)


def _inlined(model: onnx.ModelProto, names: list[tuple[str, str]]) -> onnx.ModelProto:
    """`model` with its own functions, and those called `names`, written out; itself where onnx cannot."""
    import onnx.inliner

    if model.functions:
        model = onnx.inliner.inline_local_functions(model, convert_version=False)
    model = _with_types(_with_defaults(model, names))
    for name in names:
        try:
            inlined = onnx.inliner.inline_selected_functions(model, [name], inline_schema_functions=True)
        except (RuntimeError, ValueError):  # onnx 1.23 asks for the type of an input that is left out
            try:
                inlined = _inlined_as_own(model, name)
            except (RuntimeError, ValueError):  # a type that inference cannot tell: the operator is refused by its name
                continue
        _name_nodes(model.graph, inlined.graph, name)
        model = _with_types(inlined)
    return model


def _with_defaults(model: onnx.ModelProto, names: list[tuple[str, str]]) -> onnx.ModelProto:
    """A copy of `model` whose nodes called `names` have all attributes: onnx 1.23 needs them."""
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(model)
    versions = {entry.domain: entry.version for entry in model.opset_import}
    for node in result.graph.node:
        if (node.domain, node.op_type) in names:
            schema = onnx.defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
            given = {attribute.name for attribute in node.attribute}
            defaults = ((name, each.default_value) for name, each in schema.attributes.items() if name not in given)
            node.attribute.extend(default for _, default in defaults if default.name)
    return result


def _inlined_as_own(model: onnx.ModelProto, name: tuple[str, str]) -> onnx.ModelProto:
    """`model` with nodes called `name` written out by way of functions of its own, one per node."""
    import onnx.inliner

    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    types = {value.name: value.type for value in (*graph.input, *graph.value_info, *graph.output)}
    for tensor in graph.initializer:
        types[tensor.name] = onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    version = next(entry.version for entry in model.opset_import if entry.domain == name[0])
    for place, node in enumerate(graph.node):
        if (node.domain, node.op_type) != name:
            continue
        schema: Any = onnx.defs.get_schema(node.op_type, version, node.domain)
        told = [types.get(each, onnx.TypeProto()).SerializeToString() for each in node.input]
        since = max(each for each in schema.context_dependent_function_opset_versions if each <= version)
        body = schema.get_context_dependent_function_with_opset_version(since, node.SerializeToString(), told)
        function = onnx.FunctionProto.FromString(body)
        function.domain, function.name = _OWN_DOMAIN, f"{node.op_type}_{place}"
        node.domain, node.op_type = _OWN_DOMAIN, function.name
        result.functions.append(function)
    result.opset_import.append(onnx.helper.make_opsetid(_OWN_DOMAIN, 1))
    return onnx.inliner.inline_local_functions(result, convert_version=False)


def _name_nodes(before: onnx.GraphProto, after: onnx.GraphProto, name: tuple[str, str]) -> None:
    """Call, in place, nodes of the bodies of `name` after the nodes that they stand for, which people know."""
    kept = {tuple(node.output) for node in before.node if (node.domain, node.op_type) != name}
    callers = iter([node for node in before.node if (node.domain, node.op_type) == name])
    caller, made = next(callers), set[str]()
    for node in after.node:
        if tuple(node.output) in kept:
            continue
        if made.issuperset(each for each in caller.output if each):
            caller, made = next(callers, caller), set()
        made.update(node.output)
        node.name = f"{caller.name or caller.op_type}/{node.name or node.op_type}"


def _with_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with types of its values, told afresh; itself where they cannot be told."""
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(_without_types(model), strict_mode=False, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError):  # above 2 GiB, or wrong shapes: the writers say which
        return model


def _without_types(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    return copy


def _size(model: onnx.ModelProto) -> list[tuple[str, str]]:
    return [(node.op_type, node.output[0] if node.output else "") for node in model.graph.node]
