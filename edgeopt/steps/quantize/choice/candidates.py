"""Int8 candidates of one float model, built from statistics that are gathered once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Dataset
from edgeopt.errors import Unsupported
from edgeopt.graph.noted_ranges import write_noted_ranges
from edgeopt.graph.slim import share_zero_points
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.affine import QuantizedWeight, activation_parameters, weight_scale
from edgeopt.steps.quantize.channels.equalize import equalization_tensors, equalize
from edgeopt.steps.quantize.channels.smooth import smooth, smoothing_tensors
from edgeopt.steps.quantize.choice.choose import Choice, RangeMethod, Rounding, WeightRange
from edgeopt.steps.quantize.choice.trial import Parts
from edgeopt.steps.quantize.embedding import EmbeddingTable, quantize_embeddings
from edgeopt.steps.quantize.observation.kept import KeptObservations
from edgeopt.steps.quantize.observation.layer import from_layer_matrix, layer_matrix, layer_scale, to_layer
from edgeopt.steps.quantize.observation.moments import Moments, second_moments, shared_moments
from edgeopt.steps.quantize.observation.observations import ChannelStatistics, Observations, TensorStatistics
from edgeopt.steps.quantize.placement.place import Placement, channel_axis, constant, node_name, place_for
from edgeopt.steps.quantize.ranges.tensor import Range, tensor_range
from edgeopt.steps.quantize.rounding.adaround import round_adaround
from edgeopt.steps.quantize.rounding.bias import bias_shift
from edgeopt.steps.quantize.rounding.gptq import round_gptq
from edgeopt.steps.quantize.rounding.scales import round_nearest, weight_scale_mse
from edgeopt.steps.quantize.scheme import put_together, taken_apart
from edgeopt.steps.quantize.types import Int8Types

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir


@dataclass(slots=True, kw_only=True)
class _Float:
    """The float model, rewritten or not, and what is known of it.

    Attributes:
        model: The model.
        changed: Names of what rewrites changed.
        seen: Extremes of activations by tensor, as they were asked for.
        counted: The same with histograms.
        channels: Statistics of channels; None until they are asked for.
        ranges: Ranges by method and tensor, as they were asked for.
        moments: Second moments of layer inputs by node; None until a choice asks for them.
        rounded: Weights in integers by node, as they were asked for.
    """

    model: onnx.ModelProto
    changed: tuple[str, ...] = ()
    seen: dict[str, TensorStatistics] = field(default_factory=dict)
    counted: dict[str, TensorStatistics] = field(default_factory=dict)
    channels: dict[str, ChannelStatistics] | None = None
    ranges: dict[RangeMethod, dict[str, Range]] = field(default_factory=dict)
    moments: dict[str, Moments] | None = None
    rounded: dict[tuple[WeightRange, Rounding, bool], dict[str, QuantizedWeight]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One int8 model.

    Attributes:
        model: The model.
        placement: What is quantized.
        ranges: Of each tensor that has a scale of its own.
        embeddings: Tables that became int8.
    """

    model: onnx.ModelProto
    placement: Placement
    ranges: dict[str, Range]
    embeddings: tuple[EmbeddingTable, ...]


@dataclass(slots=True, kw_only=True)
class Candidates:
    """Builds the int8 model of a `Choice`.

    Attributes:
        source: Where the model came from, for people.
        model: The prepared float model.
        types: Integer types.
        per_channel: Whether weights get a scale per output channel.
        parts: Samples. Factors and roundings rest on those of the fit; ranges span all, in trials as in the end.
        keep_float: Node name -> why it stays float.
        kept: Where statistics of activations are taken from and kept.
        progress: Called with (done, total) samples of the first pass.
    """

    source: Path
    model: onnx.ModelProto
    types: Int8Types
    per_channel: bool
    parts: Parts
    keep_float: Mapping[str, str] = field(default_factory=dict)
    kept: KeptObservations = field(default_factory=KeptObservations)
    progress: Progress | None = None
    _recent: dict[tuple[Choice, frozenset[tuple[str, str]]], Candidate] = field(default_factory=dict)
    _floats: dict[tuple[bool, bool], _Float] = field(default_factory=dict)

    def placement(self) -> Placement:
        """What is quantized.

        Raises:
            Unsupported: Nothing is.
        """
        return self._placed(taken_apart(self.model, source=self.source).graph)

    def changes_of(self, choice: Choice) -> tuple[str, ...]:
        """What equalization and smoothing change; empty where they find nothing to do."""
        return self._float(choice).changed

    def build(self, choice: Choice, keep_float: Mapping[str, str] | None = None) -> Candidate:
        """The int8 model of `choice`.

        Args:
            choice: How it is made.
            keep_float: Further nodes that stay float, with the reason of each.
        """
        kept = {**self.keep_float, **(keep_float or {})}
        key = (choice, frozenset(kept.items()))
        if key not in self._recent:
            built = self._built(choice, kept)
            # The last two: what trials end with is mostly one of them, and is asked for once more.
            self._recent = dict([*self._recent.items(), (key, built)][-2:])
        return self._recent[key]

    def _built(self, choice: Choice, kept: Mapping[str, str]) -> Candidate:
        from edgeopt.steps.quantize.write import Writer

        base = self._float(choice)
        intermediate = taken_apart(base.model, source=self.source)
        graph = intermediate.graph
        placement = self._placed(graph, kept)
        ranges = self.ranges(choice, placement)
        weights, shifts = self._weights(base, placement, choice)
        Writer(
            graph=graph,
            placement=placement,
            parameters={
                name: activation_parameters(found.low, found.high, self.types) for name, found in ranges.items()
            },
            types=self.types,
            per_channel=self.per_channel,
            weights=weights,
            bias_shift=shifts,
        ).write()
        embeddings = quantize_embeddings(graph, keep_float=kept)
        model = put_together(intermediate, source=self.source)
        share_zero_points(model)
        noted = {name: ranges.pop(name) for name in sorted(placement.noted)}
        write_noted_ranges(model, {name: (float(found.low), float(found.high)) for name, found in noted.items()})
        return Candidate(model=model, placement=placement, ranges=ranges, embeddings=tuple(embeddings))

    def ranges(self, choice: Choice, placement: Placement) -> dict[str, Range]:
        """The range of each tensor that gets a scale of its own, or whose range is noted."""
        base = self._float(choice)
        known = base.ranges.setdefault(choice.range, {})
        wanted = placement.ranged
        missing = [name for name in wanted if name not in known]
        if missing:
            seen = self._seen(base, missing, histograms=choice.range != "minmax")
            known |= {name: tensor_range(seen[name], choice.range, self.types) for name in missing}
        return {name: known[name] for name in wanted}

    def _seen(self, base: _Float, names: list[str], *, histograms: bool) -> dict[str, TensorStatistics]:
        """Statistics of tensors over all samples, with histograms where asked for."""
        kind = base.counted if histograms else base.seen
        missing = [name for name in names if name not in kind]
        if missing:
            for data in self.parts.all:
                self._see(kind, self._observe(base, missing, data, histograms=histograms))
        return kind

    def _observe(self, base: _Float, names: list[str], data: Dataset, **options: Any) -> Observations:
        return self.kept.observe(base.model, names, data, progress=self.progress, **options)

    def _see(self, kind: dict[str, TensorStatistics], found: Observations) -> None:
        """Add what was observed on further samples."""
        kind.update({name: kind[name].merged(seen) if name in kind else seen for name, seen in found.tensors.items()})

    def _placed(self, graph: ir.Graph, keep_float: Mapping[str, str] | None = None) -> Placement:
        placement = place_for(graph, self.types, keep_float=self.keep_float if keep_float is None else keep_float)
        if not placement.nodes:
            raise Unsupported(
                f"nothing in `{self.source}` runs on integers: {_first_reason(placement)}",
                hint="`edgeopt inspect` lists its operators",
            )
        return placement

    def _float(self, choice: Choice) -> _Float:
        key = (choice.equalize, choice.smooth)
        if key not in self._floats:
            self._floats[key] = _Float(model=self.model) if key == (False, False) else self._rewritten(choice)
        return self._floats[key]

    def _rewritten(self, choice: Choice) -> _Float:
        intermediate = taken_apart(self.model, source=self.source)
        graph, changed = intermediate.graph, list[str]()
        channels = self._channels(graph)
        if choice.smooth:
            changed += smooth(graph, channels)
        if choice.equalize:
            changed += equalize(graph, channels, per_channel=self.per_channel)
        model = put_together(intermediate, source=self.source)
        return _Float(model=model, changed=tuple(changed))

    def _channels(self, graph: ir.Graph) -> dict[str, ChannelStatistics]:
        """Statistics of channels of the model as it is, and in the same pass of what the placement reads."""
        plain = self._float(Choice())
        if plain.channels is None:
            wanted = {**equalization_tensors(graph), **smoothing_tensors(graph)}
            placement = self._placed(graph)
            roots = placement.ranged
            found = self._observe(plain, roots, self.parts.fit, channels=wanted)
            plain.channels = found.channels
            self._see(plain.seen, found)
            for data in self.parts.all[1:]:
                self._see(plain.seen, self._observe(plain, roots, data))
        return plain.channels

    def _weights(
        self, base: _Float, placement: Placement, choice: Choice
    ) -> tuple[dict[str, QuantizedWeight], dict[str, NDArray[Any]]]:
        """Weights rounded by other means than the writer's own, and what is taken off biases, by node."""
        if choice.weight_range == "minmax" and choice.rounding == "nearest" and not choice.correct_bias:
            return {}, {}
        nodes = [node for node in placement.nodes if is_weighted(node)]
        if base.moments is None:
            base.moments = shared_moments(nodes, second_moments(base.model, nodes, self.parts.fit))
        weights = base.rounded.setdefault((choice.weight_range, choice.rounding, choice.correct_bias), {})
        shifts: dict[str, NDArray[Any]] = {}
        for node in nodes:
            name, moments = node_name(node), base.moments.get(node_name(node))
            if moments is None:
                continue
            if name not in weights:
                axis = channel_axis(node) if self.per_channel else None
                # What a bias makes up for need not be made up for by roundings.
                is_centred = choice.correct_bias and node.op_type != "MatMul"
                used = moments.centred() if is_centred else moments
                weights[name] = rounded_weight(node, used, choice, axis=axis, types=self.types)
            if choice.correct_bias:
                scale = layer_scale(node, weights[name].scale)
                shifts[name] = bias_shift(layer_matrix(node), to_layer(node, weights[name].values), scale, moments)
        return weights, shifts


def rounded_weight(
    node: ir.Node, moments: Moments, choice: Choice, *, axis: int | None, types: Int8Types
) -> QuantizedWeight:
    """The weight of a Conv, Gemm or MatMul in integers, as `choice` says.

    Args:
        node: Its reader.
        moments: Of the columns that meet it.
        choice: How its range is taken and how it is rounded.
        axis: Axis of output channels that each get a scale; None for one scale in all.
        types: Integer types.
    """
    matrix, limit = layer_matrix(node), types.weight_limit
    weight = from_layer_matrix(node, matrix)
    if choice.weight_range == "mse":
        importance = np.broadcast_to(moments.diagonal[:, np.newaxis, :], matrix.shape)
        scale = weight_scale_mse(weight, axis=axis, limit=limit, importance=from_layer_matrix(node, importance))
    else:
        scale = weight_scale(weight, axis=axis, limit=limit)
    columns = layer_scale(node, scale)
    match choice.rounding:
        case "nearest":
            integers = round_nearest(matrix, columns, limit)
        case "gptq":
            integers = round_gptq(matrix, columns, limit, moments)
        case "adaround":
            integers = round_adaround(matrix, columns, limit, moments)
    return QuantizedWeight(values=from_layer_matrix(node, integers), scale=scale, axis=axis)


def is_weighted(node: ir.Node) -> bool:
    """Whether a node multiplies activations by a constant."""
    return node.op_type in ("Conv", "Gemm", "MatMul") and constant(node.inputs[1])


def _first_reason(placement: Placement) -> str:
    return next((f"`{node}`: {why}" for node, why in placement.kept_float.items()), "it has no weighted operator")
