"""One float model, and beside it branches in which chosen quantizers work: what each of them does to a tensor.

The trunk is the candidate with every quantizer off: float weights of the base, pairs passed by. A branch shares all of
the trunk that its quantizers do not reach, so a layer deep in the network costs little more than what lies behind it.
In the graph itself the difference is squared and summed, so no activation leaves the runtime.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.graph.pieces import Pieces, Quantizers
from edgeopt.graph.qdq import Layer, Pair
from edgeopt.graph.subgraphs import names_read, subgraphs

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """What to compare with the trunk.

    Attributes:
        on: The quantizers that work.
        points: Where: names of layers for their results, or `OUTPUTS` for the model's float outputs.
        has_shift: Whether the mean of the difference per channel is wanted.
    """

    on: Quantizers
    points: tuple[str, ...]
    has_shift: bool = False


OUTPUTS = ""
NONE = Quantizers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Names of outputs of a fork; None where the branch does not reach the point, so that nothing differs.

    Attributes:
        signal: Sum of squares of the trunk's tensor.
        noise: Sum of squares of the difference.
        shift: Mean of the difference per row and channel, (row, channel).
        count: Number of values of the difference.
    """

    signal: str
    noise: str | None
    shift: str | None = None
    count: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A model to run.

    Attributes:
        model: Inputs of the candidate; outputs are sums, and tensors asked for.
        sums: Per branch, per tensor compared.
        tensors: Output that carries a pair's float tensor, by the pair's key.
        outputs: Outputs that carry the trunk's own float outputs, in their order.
    """

    model: onnx.ModelProto
    sums: tuple[tuple[Sums, ...], ...]
    tensors: dict[str, str]
    outputs: tuple[str, ...]


def fork(
    parts: Pieces,
    branches: Sequence[Branch],
    *,
    trunk: Quantizers = NONE,
    reference: Quantizers | None = None,
    tensors: Iterable[str] = (),
    has_outputs: bool = False,
) -> Fork:
    """The trunk with its branches, ready to run.

    Args:
        parts: The candidate and its float form.
        branches: What to compare.
        trunk: Quantizers that work in the trunk; none for the float model.
        reference: Quantizers of what the branches are compared with; by default those of the trunk.
        tensors: Keys of pairs whose float tensors are wanted as outputs.
        has_outputs: Whether the trunk's own outputs are wanted.
    """
    return _Weaver(parts, trunk).woven(branches, reference, list(tensors), has_outputs=has_outputs)


@dataclass(slots=True)
class _Copy:
    """The trunk or a branch while it is written: where its tensors differ in name from the candidate's."""

    on: Quantizers
    prefix: str
    names: dict[str, str] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    clamped: dict[str, str] = field(default_factory=dict)
    differences: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Weaver:
    parts: Pieces
    on: Quantizers
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    trunk: _Copy = field(init=False)
    layers: dict[int, Layer] = field(init=False)

    def __post_init__(self) -> None:
        self.trunk = _Copy(self.on, "")
        self.layers = {layer.index: layer for layer in self.parts.candidate.layers}

    def woven(
        self, branches: Sequence[Branch], reference: Quantizers | None, tensors: list[str], *, has_outputs: bool
    ) -> Fork:
        candidate = self.parts.candidate
        copies = [_Copy(branch.on, f"edgeopt_branch{index}/") for index, branch in enumerate(branches)]
        beside = self.trunk if reference is None else _Copy(reference, "edgeopt_reference/")
        for index, node in enumerate(candidate.model.graph.node):
            if index in candidate.quantizing:
                continue
            self._write(index, node, self.trunk)
            for copy in (*copies, *(() if reference is None else (beside,))):
                self._write_if_other(index, node, copy)
        signals: dict[str, str] = {}
        sums = tuple(
            tuple(
                self._compared(point, copy, beside, signals, has_shift=branch.has_shift)
                for named in branch.points
                for point in self._points(named)
            )
            for branch, copy in zip(branches, copies, strict=True)
        )
        given = {key: self._shown(self._clamped(key, self.trunk)) for key in tensors}
        outputs = [self._shown(self._name(value.name, self.trunk)) for value in float_outputs(candidate.model)]
        self.outputs += [*given.values(), *(outputs if has_outputs else ())]
        return Fork(model=self._model(), sums=sums, tensors=given, outputs=tuple(outputs if has_outputs else ()))

    # what is read and written

    def _name(self, tensor: str, copy: _Copy) -> str:
        """What a tensor of the candidate is called in a copy."""
        key = self.parts.candidate.pair_of.get(tensor)
        if key is not None:
            return self._pair(key, copy)
        return copy.names.get(tensor, tensor)

    def _input(self, index: int, place: int, tensor: str, copy: _Copy) -> str:
        """What a node reads at one of its inputs: an activation, or a constant in integers or floats."""
        layer = self.layers.get(index)
        if layer is None:
            return self._name(tensor, copy)
        constant = layer.constants.get(place)
        held = self.parts.floats[layer.name].constants.get(place)
        if held is not None and layer.name not in copy.on.weights:  # of a float bias too, which may be corrected
            return self._constant(f"{layer.name}/{place}/off", held)
        return (
            self._name(tensor, copy)
            if constant is None
            else self._constant(f"{layer.name}/{place}/on", constant.values)
        )

    def _write(self, index: int, node: onnx.NodeProto, copy: _Copy) -> None:
        import onnx

        made = onnx.NodeProto()
        made.CopyFrom(node)
        del made.input[:]
        made.input.extend(
            self._input(index, place, name, copy) if name else "" for place, name in enumerate(node.input)
        )
        if copy is not self.trunk:
            for place, name in enumerate(node.output):
                if name:
                    copy.names[name] = made.output[place] = f"{copy.prefix}{name}"
            made.name = f"{copy.prefix}{node.name}" if node.name else ""
        for graph in subgraphs(made):
            self._rename(graph, copy)
        self.nodes.append(made)

    def _write_if_other(self, index: int, node: onnx.NodeProto, copy: _Copy) -> None:
        """Write a node again where a branch reads something else than the trunk does."""
        inner = set(names_read(node)) - set(node.input)
        is_other = any(
            self._input(index, place, name, copy) != self._input(index, place, name, self.trunk)
            for place, name in enumerate(node.input)
            if name
        ) or any(self._name(name, copy) != self._name(name, self.trunk) for name in inner)
        if is_other:
            self._write(index, node, copy)

    def _rename(self, graph: onnx.GraphProto, copy: _Copy) -> None:
        """Let a subgraph read what its node's copy reads; what it makes itself keeps its name."""
        own = {name for node in graph.node for name in node.output} | {value.name for value in graph.input}
        own |= {tensor.name for tensor in graph.initializer}
        for node in graph.node:
            for place, name in enumerate(node.input):
                if name and name not in own:
                    node.input[place] = self._name(name, copy)
            for inner in subgraphs(node):
                self._rename(inner, copy)

    def _clamped(self, key: str, copy: _Copy) -> str:
        """A pair's tensor in float, behind the clamp that its range performs."""
        pair = self.parts.candidate.pairs[key]
        name = self._name(pair.tensor, copy)
        if key not in self.parts.clamps:
            return name
        if copy is not self.trunk and name == self._name(pair.tensor, self.trunk):
            return self._clamped(key, self.trunk)
        if key not in copy.clamped:
            copy.clamped[key] = self._write_clamp(key, name, copy)
        return copy.clamped[key]

    def _write_clamp(self, key: str, name: str, copy: _Copy) -> str:
        import onnx

        node, constants = self.parts.clamps[key]
        made = onnx.NodeProto()
        made.CopyFrom(node)
        output = f"{copy.prefix}edgeopt_clamped/{key}"
        made.name = output
        made.input[0] = name
        for place, read in enumerate(node.input[1:], start=1):
            if read:
                made.input[place] = self._constant(f"{key}/{read}", constants[read])
        made.output[0] = output
        self.nodes.append(made)
        return output

    def _pair(self, key: str, copy: _Copy) -> str:
        """What the readers of a pair read: the rounded tensor, or the float one."""
        name = self._clamped(key, copy)
        is_on = key in copy.on.pairs
        if copy is not self.trunk and name == self._clamped(key, self.trunk) and is_on == (key in self.on.pairs):
            return self._pair(key, self.trunk)
        if not is_on:
            return name
        if key not in copy.pairs:
            copy.pairs[key] = self._write_pair(self.parts.candidate.pairs[key], name, copy)
        return copy.pairs[key]

    def _write_pair(self, pair: Pair, name: str, copy: _Copy) -> str:
        import onnx

        integers, output = (f"{copy.prefix}edgeopt_{what}/{pair.key}" for what in ("integers", "rounded"))
        for node, read, written in ((pair.quantize, name, integers), (pair.dequantize, integers, output)):
            made = onnx.NodeProto()
            made.CopyFrom(node)
            made.name, made.input[0], made.output[0] = written, read, written
            self.nodes.append(made)
        return output

    # what is compared

    def _points(self, named: str) -> list[tuple[str, int | None]]:
        """Tensors of the candidate, each with its axis of channels where that is known."""
        candidate = self.parts.candidate
        if named == OUTPUTS:
            return [(value.name, None) for value in float_outputs(candidate.model)]
        layer = next(layer for layer in candidate.layers if layer.name == named)
        tensor = candidate.pairs[layer.writes[0]].outputs[0] if layer.writes else layer.result
        return [(tensor, 1 if "Conv" in layer.operator else -1)]

    def _compared(
        self, point: tuple[str, int | None], copy: _Copy, beside: _Copy, signals: dict[str, str], *, has_shift: bool
    ) -> Sums:
        tensor, axis = point
        before, after = self._name(tensor, beside), self._name(tensor, copy)
        if tensor not in signals:
            signals[tensor] = self._summed("ReduceSumSquare", before, f"edgeopt_signal/{tensor}", keepdims=0)
        if before == after:
            return Sums(signal=signals[tensor], noise=None)
        if tensor not in copy.differences:
            name = f"{copy.prefix}edgeopt_difference/{tensor}"
            copy.differences[tensor] = self._node("Sub", [after, before], name)
            self._summed("ReduceSumSquare", name, f"{copy.prefix}edgeopt_noise/{tensor}", keepdims=0)
        noise = f"{copy.prefix}edgeopt_noise/{tensor}"
        if not has_shift or axis is None:
            return Sums(signal=signals[tensor], noise=noise)
        count = self._summed("Size", copy.differences[tensor], f"{copy.prefix}edgeopt_count/{tensor}")
        shift = self._shift(copy.differences[tensor], axis, f"{copy.prefix}edgeopt_shift/{tensor}")
        return Sums(signal=signals[tensor], noise=noise, shift=shift, count=count)

    def _summed(self, operator: str, tensor: str, output: str, **attributes: Any) -> str:
        """An output of the fork that an operator makes of one tensor."""
        self.outputs.append(output)
        return self._node(operator, [tensor], output, **attributes)

    def _shift(self, difference: str, axis: int, output: str) -> str:
        """(row, channel) means of a difference: over the positions of a picture, over nothing for a row."""
        if axis == 1:
            difference = self._node("GlobalAveragePool", [difference], f"{output}/pooled")
            return self._summed("Flatten", difference, output, axis=1)
        return self._summed("Flatten", difference, output, axis=-1)

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        import onnx

        self.nodes.append(onnx.helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def _constant(self, name: str, array: Any) -> str:
        name = f"edgeopt_constant/{name}"
        self.constants.setdefault(name, array)
        return name

    # the model

    def _shown(self, name: str) -> str:
        """An output that carries a tensor: an input of the model cannot be one itself."""
        if name not in {value.name for value in self.parts.candidate.model.graph.input}:
            return name
        shown = f"edgeopt_shown/{name}"
        return shown if any(shown in node.output for node in self.nodes) else self._node("Identity", [name], shown)

    def _model(self) -> onnx.ModelProto:
        import onnx

        source = self.parts.candidate.model
        model = onnx.ModelProto(ir_version=source.ir_version)
        model.opset_import.extend(source.opset_import)
        model.functions.extend(source.functions)
        graph = model.graph
        graph.name = source.graph.name or "fork"
        kept = _needed(self.nodes, self.outputs)
        read = {name for node in kept for name in names_read(node)}
        graph.node.extend(kept)
        graph.input.extend(source.graph.input)
        graph.initializer.extend(tensor for tensor in source.graph.initializer if tensor.name in read)
        graph.initializer.extend(
            onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
            for name, array in self.constants.items()
            if name in read
        )
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(self.outputs))
        return model


def float_outputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The outputs that carry float32, which are compared."""
    import onnx

    return [value for value in model.graph.output if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]


def _needed(nodes: list[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that lead to `outputs`, in order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted.update(names_read(node))
    return kept[::-1]
