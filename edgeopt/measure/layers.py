"""What quantizing one layer, and nothing else, does to that layer and to the model's output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.core.dataset import Dataset
from edgeopt.graph.fork import NONE, OUTPUTS, Branch
from edgeopt.graph.load import load_onnx
from edgeopt.graph.pieces import Pieces, pieces
from edgeopt.graph.qdq import Layer
from edgeopt.measure.branches import Progress, branch_sums, decibels, noise_ratio
from edgeopt.measure.signal import signal_to_noise_db

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDamage:
    """What one layer in integers does to the output of a model that is float elsewhere.

    Attributes:
        name: The node, as `quantize` names it.
        operator: Its operator.
        output_sqnr_db: Signal to noise of the model's float outputs in dB, 120 where nothing differs. Of several
            outputs the noise to signal ratios are averaged.
        noise_share: Its share of the sum of noise to signal ratios over all layers, 0 to 1.
    """

    name: str
    operator: str
    output_sqnr_db: float
    noise_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSignal(LayerDamage):
    """The damage, and where in the layer it arises.

    Attributes:
        weights_sqnr_db: Signal to noise of the layer's own result with only its weights and bias in integers; None
            where it has none, or where its float weight was not found.
        activations_sqnr_db: The same with only the pairs that it reads and writes through; None where it has none.
        shift_share: Share of the noise of its weights that is a constant shift per channel; None without weights.
        weights_output_sqnr_db: Signal to noise of the model's output with only the layer's weights in integers; None
            unless the layer alone takes the output below a bound. A layer whose wide channels drown what its narrow
            ones lose shows it here.
        activations_output_sqnr_db: The same with only its pairs.
        gain_db: What the output of the whole quantized model gains when this layer alone is float; None where that was
            not measured.
    """

    weights_sqnr_db: float | None
    activations_sqnr_db: float | None
    shift_share: float | None
    weights_output_sqnr_db: float | None
    activations_output_sqnr_db: float | None
    gain_db: float | None


def layer_damage(
    base: onnx.ModelProto | Path,
    candidate: onnx.ModelProto | Path,
    data: Dataset,
    *,
    threads: int = 0,
    progress: Progress | None = None,
) -> list[LayerDamage]:
    """What each layer of a quantized model does to the output when it alone is quantized, worst first.

    Args:
        base: The float model, a file or in memory.
        candidate: The model of quantize/dequantize pairs that was made from it, a file or in memory.
        data: Samples bound to the model's inputs, at least one; all are used.
        threads: Threads per inference; 0 for as many as there are cores.
        progress: Called with (done, total) batches.

    Raises:
        InputError: The models do not belong together, or fail on the samples.
        Unsupported: The candidate's format lets no quantizer be switched off.
    """
    parts = opened(base, candidate)
    branches = [[Branch(on=parts.of_layer(layer), points=(OUTPUTS,))] for layer in parts.candidate.layers]
    sums = branch_sums(parts, data, branches, threads=threads, progress=progress)
    ratios = [noise_ratio(found[0]) for found in sums]
    damages = [
        LayerDamage(
            name=parts.floats[layer.name].name,
            operator=layer.operator,
            output_sqnr_db=signal_to_noise_db(1.0, ratio),
            noise_share=ratio / (sum(ratios) or 1.0),
        )
        for layer, ratio in zip(parts.candidate.layers, ratios, strict=True)
    ]
    return sorted(damages, key=lambda damage: damage.output_sqnr_db)


def opened(base: onnx.ModelProto | Path, candidate: onnx.ModelProto | Path) -> Pieces:
    """Both models taken apart, from files or from memory."""
    models = [load_onnx(model) if isinstance(model, Path) else model for model in (base, candidate)]
    names = [
        str(model) if isinstance(model, Path) else name
        for model, name in zip((base, candidate), ("the float model", "the quantized model"), strict=True)
    ]
    return pieces(models[0], models[1], base_name=names[0], candidate_name=names[1])


def layer_signals(
    parts: Pieces,
    data: Dataset,
    *,
    apart_below_db: float = 30.0,
    has_gain: bool = False,
    threads: int = 0,
    progress: Progress | None = None,
) -> list[LayerSignal]:
    """Damage, cause and gain of every layer, in the order of the graph.

    Args:
        parts: Both models, taken apart.
        data: Samples bound to the model's inputs.
        apart_below_db: Tell weights and activations apart at the output, too, of layers that alone take it below this.
        has_gain: Measure what the whole model gains when one layer is float, which takes 2 to 3 times as long.
        threads: Threads per inference; 0 for as many as there are cores.
        progress: Called with (done, total) batches.
    """
    layers = parts.candidate.layers
    branches = [
        [
            Branch(on=parts.of_layer(layer), points=(OUTPUTS,)),
            Branch(on=parts.weights_of(layer), points=(layer.name,), has_shift=True),
            Branch(on=parts.pairs_of(layer), points=(layer.name,)),
        ]
        for layer in layers
    ]
    stages = 3 if has_gain else 2
    sums = branch_sums(parts, data, branches, threads=threads, progress=_stage(progress, 0, stages))
    ratios = [noise_ratio(found[0]) for found in sums]
    apart = {
        layer.name
        for layer, ratio in zip(layers, ratios, strict=True)
        if signal_to_noise_db(1.0, ratio) < apart_below_db
    }
    at_output = _apart(parts, data, apart, threads=threads, progress=_stage(progress, 1, stages))
    gains: list[float | None] = [None] * len(layers)
    if has_gain:
        gains = _gains(parts, data, threads=threads, progress=_stage(progress, 2, stages))
    return [
        LayerSignal(
            name=parts.floats[layer.name].name,
            operator=layer.operator,
            output_sqnr_db=signal_to_noise_db(1.0, ratio),
            noise_share=ratio / (sum(ratios) or 1.0),
            weights_sqnr_db=decibels(found[1]) if _has_known_weights(parts, layer) else None,
            activations_sqnr_db=decibels(found[2]) if layer.reads or layer.writes else None,
            shift_share=found[1][0].shift_share if _has_known_weights(parts, layer) else None,
            weights_output_sqnr_db=own[0] if _has_known_weights(parts, layer) else None,
            activations_output_sqnr_db=own[1] if layer.reads or layer.writes else None,
            gain_db=gain,
        )
        for layer, found, ratio, own, gain in zip(layers, sums, ratios, at_output, gains, strict=True)
    ]


def _stage(progress: Progress | None, number: int, stages: int) -> Progress | None:
    """Progress of one of several stages as a share of all, in thousandths: stages differ in their batches."""
    if progress is None:
        return None
    told = progress
    return lambda done, total: told(round(1000 * (number + done / total)), 1000 * stages)


def _apart(
    parts: Pieces, data: Dataset, names: set[str], *, threads: int, progress: Progress | None
) -> list[tuple[float | None, float | None]]:
    """Signal to noise of the output in dB with the weights, and with the pairs, of each layer called one of `names`."""
    chosen = [layer for layer in parts.candidate.layers if layer.name in names]
    branches = [
        [Branch(on=part, points=(OUTPUTS,)) for part in (parts.weights_of(layer), parts.pairs_of(layer))]
        for layer in chosen
    ]
    sums = branch_sums(parts, data, branches, threads=threads, progress=progress) if chosen else []
    found = {
        layer.name: (decibels(weights), decibels(pairs)) for layer, (weights, pairs) in zip(chosen, sums, strict=True)
    }
    return [found.get(layer.name, (None, None)) for layer in parts.candidate.layers]


def _gains(parts: Pieces, data: Dataset, *, threads: int, progress: Progress | None) -> list[float | None]:
    """What the quantized model's output gains when one layer alone is float, in dB per layer."""
    every = parts.all_on()
    whole = Branch(on=every, points=(OUTPUTS,))
    branches = [
        [Branch(on=every.without(parts.of_layer(layer)), points=(OUTPUTS,)), whole] for layer in parts.candidate.layers
    ]
    sums = branch_sums(parts, data, branches, threads=threads, progress=progress, trunk=every, reference=NONE)
    return [decibels(without) - decibels(found) for without, found in sums]


def _has_known_weights(parts: Pieces, layer: Layer) -> bool:
    return bool(layer.weights) and bool(parts.floats[layer.name].constants)
