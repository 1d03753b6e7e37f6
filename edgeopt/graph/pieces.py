"""A quantized model beside the float model that it was made from, and the sets of its quantizers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.counterpart import Counterpart, FloatModel, counterparts, float_model
from edgeopt.graph.fold import folded
from edgeopt.graph.padding import merge_padding
from edgeopt.graph.qdq import CLAMPS, Layer, QdqModel, take_apart
from edgeopt.graph.quantization import quantization_state

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True)
class Quantizers:
    """A set of quantizers: names of layers whose constants are integers, keys of pairs that round."""

    weights: frozenset[str] = frozenset()
    pairs: frozenset[str] = frozenset()

    def without(self, other: Quantizers) -> Quantizers:
        """Those that `other` does not hold."""
        return Quantizers(self.weights - other.weights, self.pairs - other.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """A candidate with its float form beside it.

    Attributes:
        candidate: The quantized model, taken apart.
        floats: Float form by layer.
        clamps: Clamp that a pair's range performs, by the pair's key, with the constants that it reads.
    """

    candidate: QdqModel
    floats: dict[str, Counterpart]
    clamps: dict[str, tuple[onnx.NodeProto, dict[str, Any]]]

    def all_on(self) -> Quantizers:
        """Every quantizer."""
        weights = (layer.name for layer in self.candidate.layers if layer.weights or layer.bias)
        return Quantizers(frozenset(weights), frozenset(self.candidate.pairs))

    def of_layer(self, layer: Layer) -> Quantizers:
        """What makes one layer run on integers: its weights, what it reads and what it writes."""
        return Quantizers(self.weights_of(layer).weights, self.pairs_of(layer).pairs)

    def weights_of(self, layer: Layer) -> Quantizers:
        """Its weights and bias alone."""
        return Quantizers(weights=frozenset({layer.name} if layer.weights or layer.bias else ()))

    def pairs_of(self, layer: Layer) -> Quantizers:
        """The pairs that it reads through and writes through."""
        return Quantizers(pairs=frozenset((*layer.reads, *layer.writes)))


_FORMS = {
    "none": "is not quantized",
    "qoperator": "is quantized in the operator format (QLinearConv, ...), where no quantizer stands alone",
    "dynamic": "takes the ranges of activations anew at every inference, so that no quantizer stands in the file",
}


def pieces(base: onnx.ModelProto, candidate: onnx.ModelProto, *, base_name: str, candidate_name: str) -> Pieces:
    """A quantized model taken apart, with the float form of its layers from the model that it was made from.

    Args:
        base: The float model, with its data in memory.
        candidate: The quantized one.
        base_name: What to call the float model in an error.
        candidate_name: What to call the quantized one.

    Raises:
        InputError: The candidate is not quantized, the base is, or they do not have the same inputs and outputs.
        Unsupported: The candidate's format lets no quantizer be switched off, or no output is float.
    """
    import onnx

    _require_float_and_quantized(base, candidate, base_name, candidate_name)
    _require_same_ports(base, candidate, base_name, candidate_name)
    if not any(kind == onnx.TensorProto.FLOAT for _, kind, _ in _ports(base, "output")):
        raise Unsupported(
            f"BASE `{base_name}` gives no float output, so no signal can be told from noise",
            hint="let both models give their scores beside the classes that they choose",
        )
    parts = take_apart(candidate, where=candidate_name)
    floats = float_model(_prepared(base, base_name), base)
    return _with_clamps(parts, counterparts(parts, floats), floats)


def _with_clamps(candidate: QdqModel, floats: dict[str, Counterpart], base: FloatModel) -> Pieces:
    """The pieces with what the candidate's pairs clamp: a Relu or Clip of the base that it does without."""
    producers = {name: node for node in candidate.model.graph.node for name in node.output}
    clamps = {}
    for pair in candidate.pairs.values():
        producer = producers.get(pair.tensor)
        if producer is None or producer.op_type in CLAMPS:
            continue
        found = next((base.clamps[name] for name in (pair.tensor, *pair.outputs) if name in base.clamps), None)
        if found is not None:
            clamps[pair.key] = found
    return Pieces(candidate=candidate, floats=floats, clamps=clamps)


def _prepared(base: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The base as `quantize` starts from it: folded, its padding merged."""
    model = folded(base, where=name)
    constants = {tensor.name for tensor in model.graph.initializer}
    if any(node.op_type == "Cast" and node.input[0] in constants for node in model.graph.node):
        model = folded(model, where=name)  # float16 weights, widened behind the first folding
    merge_padding(model.graph)
    return model


def _require_float_and_quantized(
    base: onnx.ModelProto, candidate: onnx.ModelProto, base_name: str, candidate_name: str
) -> None:
    before, after = quantization_state(base.graph).kind, quantization_state(candidate.graph).kind
    if before != "none":
        swap = "the float model comes first: swap the two" if after == "none" else "name the float model first"
        raise InputError(f"BASE `{base_name}` is quantized already ({before})", hint=swap)
    if after == "none":
        raise InputError(
            f"CANDIDATE `{candidate_name}` {_FORMS['none']}",
            hint="make one with `edgeopt quantize`, or `compare` the two",
        )
    if after not in ("qdq", "weights"):
        raise Unsupported(
            f"CANDIDATE `{candidate_name}` {_FORMS[after]}",
            hint="make it with quantize/dequantize pairs: `edgeopt quantize`, or ONNX Runtime's QuantFormat.QDQ",
        )


def _require_same_ports(base: onnx.ModelProto, candidate: onnx.ModelProto, base_name: str, candidate_name: str) -> None:
    """Refuse models that do not take and give the same: one was not made from the other."""
    hint = "name the float model that the candidate was made from; its inputs and outputs must stay float"
    for what in ("input", "output"):
        before, after = (_ports(model, what) for model in (base, candidate))
        is_same = [(name, kind) for name, kind, _ in before] == [(name, kind) for name, kind, _ in after]
        if not is_same or any(not _agree(one[2], other[2]) for one, other in zip(before, after, strict=True)):
            raise InputError(
                f"CANDIDATE `{candidate_name}` has {what}s {_listed(after)}, BASE `{base_name}` has {_listed(before)}",
                hint=hint,
            )


_Port = tuple[str, int, tuple[int, ...]]


def _ports(model: onnx.ModelProto, what: str) -> list[_Port]:
    """Name, element type and lengths of axes, 0 where they are free, of every input or output."""
    constants = {tensor.name for tensor in model.graph.initializer}
    values = model.graph.input if what == "input" else model.graph.output
    return [
        (
            value.name,
            value.type.tensor_type.elem_type,
            tuple(max(axis.dim_value, 0) for axis in value.type.tensor_type.shape.dim),
        )
        for value in values
        if value.name not in constants
    ]


def _agree(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether lengths are the same, as far as both are known."""
    if len(before) != len(after):
        return not before or not after
    return all(one == other or not one or not other for one, other in zip(before, after, strict=True))


def _listed(ports: list[_Port]) -> str:
    import onnx

    return ", ".join(
        f"`{name}` ({'x'.join(str(length or '?') for length in lengths)} "
        f"{onnx.TensorProto.DataType.Name(kind).lower()})"
        for name, kind, lengths in ports
    )
