"""Where a converted model parts from its source: both graphs walked tensor by tensor on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.errors import EdgeoptError
from edgeopt.graph.load import load_onnx
from edgeopt.graph.runtime import plain_session, runtime_errors
from edgeopt.graph.save import as_source
from edgeopt.measure.bound import FLOAT32_TOLERANCE
from edgeopt.measure.difference import Difference, Differences
from edgeopt.measure.proof import Proof
from edgeopt.measure.random_inputs import random_feeds

if TYPE_CHECKING:
    import onnx

# Below so many dB a tensor has parted from its source in a model of integers: they round a layer of 8 bits otherwise by
# a step here and there, which leaves 30 dB and more.
_PARTED_DB = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """A node of the source whose output differs from what stands for it in the converted model.

    Attributes:
        node: Its name, or that of its output where it has none.
        operator: Its operator.
        tensor: Its output.
        relative: Largest difference as a share of the largest magnitude there.
    """

    node: str
    operator: str
    tensor: str
    relative: float

    def __str__(self) -> str:
        return f"{self.operator} `{self.node}` (differs by {self.relative:.2g} of its largest value)"


def parting(source: Path, made: Path, tensors: Mapping[str, Mapping[str, Any]], proof: Proof) -> Parting | None:
    """The first node, in the order of the source, whose output the converted model computes otherwise.

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
    nodes = [node for node in model.graph.node if any(name in tensors for name in node.output)]
    names = [name for node in nodes for name in node.output if name in tensors]
    feeds = random_feeds(model, proof.ports, 0)
    try:
        wanted = _onnx_tensors(model, feeds, names)
        given = litert_tensors(
            made,
            {port.spec.name: port.given(feeds[port.name]) for port in proof.ports},
            {str(entry["tensor"]) for entry in tensors.values()},
        )
    except (EdgeoptError, ValueError, RuntimeError):  # LiteRT raises the last two; the outputs have told it already
        return None
    is_integer = any(output.bound.numbers != "float32" for output in proof.outputs)
    return next(_partings(nodes, tensors, wanted, given, is_integer=is_integer), None)


def _partings(
    nodes: list[onnx.NodeProto],
    tensors: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[str, NDArray[Any]],
    given: Mapping[str, NDArray[Any]],
    *,
    is_integer: bool,
) -> Iterator[Parting]:
    for node in nodes:
        for name in (name for name in node.output if name in tensors and name in wanted):
            entry = tensors[name]
            array = given.get(str(entry["tensor"]))
            if array is None or array.ndim != len(entry["axes"]):
                continue
            moved = np.transpose(array, np.argsort(entry["axes"])) if array.ndim else array
            if moved.shape != wanted[name].shape:  # another tensor of that name
                continue
            found = _difference(wanted[name], moved)
            if found.sqnr_db < _PARTED_DB if is_integer else found.relative > FLOAT32_TOLERANCE:
                yield Parting(
                    node=node.name or node.output[0], operator=node.op_type, tensor=name, relative=found.relative
                )


def _difference(wanted: NDArray[Any], given: NDArray[Any]) -> Difference:
    tally = Differences()
    tally.add({"": wanted}, {"": given})
    return tally.by_output()[""]


def _onnx_tensors(model: onnx.ModelProto, feeds: dict[str, Any], names: list[str]) -> dict[str, NDArray[Any]]:
    """Every tensor of `names`, as the source's file says."""
    import onnx

    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names))
    with as_source(model) as given, plain_session(given, where="the source") as session:
        outputs = [value.name for value in session.get_outputs()]
        try:
            return dict(zip(outputs, session.run(outputs, feeds), strict=True))
        except runtime_errors():
            return {}
