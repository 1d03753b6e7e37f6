"""Where a converted model parts from its source: both graphs walked tensor by tensor on the same inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.errors import EdgeoptError
from edgeopt.graph.load import load_onnx
from edgeopt.graph.runtime import plain_session, runtime_errors
from edgeopt.graph.save import as_source
from edgeopt.graph.subgraphs import names_read
from edgeopt.measure.bound import FLOAT32_TOLERANCE
from edgeopt.measure.difference import Difference, Differences
from edgeopt.measure.proof import Proof
from edgeopt.measure.random_inputs import random_feeds

if TYPE_CHECKING:
    import onnx

# Below so many dB a tensor has parted from its source in a model of integers: they round a layer of 8 bits otherwise by
# a step here and there, which leaves 30 dB and more.
_PARTED_DB = 20.0

Tensors = Mapping[str, Mapping[str, Any]]
Values = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """The first node of the source that the converted model computes otherwise.

    Attributes:
        node: Its name, or that of its output where it has none.
        operator: Its operator.
        seen_at: The tensor at which it shows: the node's own output, or the next one that both models hold.
        relative: Largest difference as a share of the largest magnitude there.
    """

    node: str
    operator: str
    seen_at: str
    relative: float

    def __str__(self) -> str:
        return f"{self.operator} `{self.node}`: `{self.seen_at}` differs by {self.relative:.2g} of its largest value"


def parting(source: Path, made: Path, tensors: Tensors, proof: Proof) -> Parting | None:
    """The first node, in the order of the source, that the converted model computes otherwise.

    LiteRT's reference kernels compute the converted model, as XNNPACK keeps no tensors between nodes: what XNNPACK
    alone computes otherwise is not found.

    Args:
        source: The ONNX model.
        made: The TFLite model.
        tensors: ONNX tensor -> `{"tensor": name in the TFLite file, "axes": [...]}`, of the converter's own report.
        proof: What the outputs gave.

    Returns:
        None where every tensor that both hold is equal, or one of the graphs cannot be walked.
    """
    from edgeopt.runners.litert_tensors import litert_tensors

    model = load_onnx(source)
    nodes = list(model.graph.node)
    feeds = random_feeds(model, proof.ports, 0)
    try:
        wanted = _onnx_tensors(model, feeds, [name for node in nodes for name in node.output if name in tensors])
        given = litert_tensors(
            made,
            {port.spec.name: port.given(feeds[port.name]) for port in proof.ports},
            {str(entry["tensor"]) for entry in tensors.values()},
        )
    except (EdgeoptError, ValueError, RuntimeError):  # LiteRT raises the last two; the outputs have told it already
        return None
    is_integer = any(output.bound.numbers != "float32" for output in proof.outputs)
    equal, unrounded = set(feeds), _read_by_quantizers_alone(nodes)
    for node in nodes:
        for name in node.output:
            if name in unrounded:
                continue
            found = _difference(name, tensors, wanted, given)
            if found is None:
                continue
            if found.sqnr_db < _PARTED_DB if is_integer else found.relative > FLOAT32_TOLERANCE:
                first = _first_behind(nodes, node, equal | _constants(nodes, set(feeds)))
                named = first.name or first.output[0]
                return Parting(node=named, operator=first.op_type, seen_at=name, relative=found.relative)
            equal.add(name)
    return None


def _first_behind(nodes: list[onnx.NodeProto], node: onnx.NodeProto, equal: set[str]) -> onnx.NodeProto:
    """The first of the nodes that lead from tensors known to be equal to `node`, with it: they were fused into one."""
    makers = {name: (place, each) for place, each in enumerate(nodes) for name in each.output}
    place, first = next((place, each) for place, each in enumerate(nodes) if each is node)
    waiting = list(node.input)
    while waiting:
        name = waiting.pop()
        found = makers.get(name)
        if found is None or name in equal:
            continue
        equal.add(name)
        place, first = min((place, first), found, key=lambda pair: pair[0])
        waiting += found[1].input
    return first


def _read_by_quantizers_alone(nodes: list[onnx.NodeProto]) -> set[str]:
    """Tensors that are rounded before anything else: a kernel of integers never holds them as they are."""
    quantized = {node.input[0] for node in nodes if node.op_type == "QuantizeLinear"}
    return quantized - {name for node in nodes if node.op_type != "QuantizeLinear" for name in names_read(node)}


def _constants(nodes: list[onnx.NodeProto], inputs: set[str]) -> set[str]:
    """Tensors that no input of the model reaches."""
    reached, constant = set(inputs), set[str]()
    for node in nodes:
        (reached if reached.intersection(names_read(node)) else constant).update(node.output)
    return constant


def _difference(name: str, tensors: Tensors, wanted: Values, given: Values) -> Difference | None:
    """How far a tensor of the source is from what stands for it; None where one of them is not to be had."""
    entry = tensors.get(name)
    array = given.get(str(entry["tensor"])) if entry else None
    if entry is None or array is None or name not in wanted or array.ndim != len(entry["axes"]):
        return None
    if wanted[name].dtype.kind in "iu" and array.dtype.kind == "f":
        return None  # integers there, here the numbers that they stand for
    moved = np.transpose(array, np.argsort(entry["axes"])) if array.ndim else array
    if moved.shape != wanted[name].shape:  # another tensor of that name
        return None
    tally = Differences()
    tally.add({name: wanted[name]}, {name: moved})
    return tally.by_output()[name]


def _onnx_tensors(model: onnx.ModelProto, feeds: dict[str, Any], names: list[str]) -> dict[str, NDArray[Any]]:
    """Every tensor of `names`, as the source's file says."""
    import onnx

    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names))
    try:
        with as_source(model) as given:
            session = plain_session(given)
        outputs = [value.name for value in session.get_outputs()]
        return dict(zip(outputs, session.run(outputs, feeds), strict=True))
    except runtime_errors():
        return {}
