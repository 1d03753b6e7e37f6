"""One pass over calibration samples: batch by batch, so that memory does not grow with their number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeopt.core.dataset import Array, Dataset
from edgeopt.errors import InputError
from edgeopt.graph.runtime import PROVIDERS, RUNTIME_HINT, runtime_errors
from edgeopt.graph.save import as_source, without_large_constants
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.doubts import calibration_failure
from edgeopt.steps.quantize.observation.observations import ChannelStatistics, Observations, TensorStatistics
from edgeopt.steps.quantize.observation.probes import Batch, ChannelProbe, ExtremesProbe, HistogramProbe, Probe

if TYPE_CHECKING:
    import onnx

__all__ = ["BATCH", "ChannelStatistics", "Observations", "TensorStatistics", "observe"]

BATCH = 4  # with 16, ResNet8 peaks at 130 MB and gains nothing in time; with 4 at 109 MB
_LEAVING_BYTES = 8 << 20  # of activations that leave the runtime at once; more samples than that holds gain nothing


def observe(
    model: onnx.ModelProto,
    tensors: Iterable[str],
    data: Dataset,
    *,
    histograms: bool = False,
    channels: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> Observations:
    """What `tensors` hold while `model` runs over `data`.

    Args:
        model: A float model.
        tensors: Names of float tensors of the main graph.
        data: Samples bound to the model's inputs, at least one.
        histograms: Count the values of `tensors` too, which costs time: they leave the runtime for it.
        channels: Name of a tensor -> its channel axis, where the extremes and the mean of each channel are wanted.
        progress: Called with (done, total) samples.

    Raises:
        InputError: The model fails on the samples, or gives NaN or infinity.
    """
    whole = [HistogramProbe(name) if histograms else ExtremesProbe(name) for name in dict.fromkeys(tensors)]
    split = _channel_probes(model, channels or {})
    _run(model, [*whole, *split], data, progress)
    return Observations(
        tensors={probe.name: probe.statistics() for probe in whole},
        channels={probe.name: probe.seen for probe in split if probe.seen is not None},
        samples=len(data),
    )


def _run(model: onnx.ModelProto, probes: Sequence[Probe], data: Dataset, progress: Progress | None) -> None:
    session, outputs = _session(model, probes)
    wanted = list(dict.fromkeys(name for names in outputs for name in names))
    done = 0
    for feeds, batch in _batches(data, *_batch_size(model, session)):
        try:
            values = dict(zip(wanted, session.run(wanted, feeds) if wanted else (), strict=True))
        except runtime_errors() as error:
            raise calibration_failure(error, data) from error
        for probe, names in zip(probes, outputs, strict=True):
            if not probe.take([values[name] for name in names], batch):
                raise _not_finite(probe, data.source)
        done += batch.samples
        if progress:
            progress(done, len(data))


def _session(model: onnx.ModelProto, probes: Sequence[Probe]) -> tuple[Any, list[list[str]]]:
    """A session of `model` with what the probes add, and the outputs that each of them wants."""
    import onnxruntime

    observed, outputs = _with_probes(model, probes)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    # Threads that spin for work would take the core from the counting between two batches: 200 samples of
    # MobileNetV2-0.5 cost 1.2 s of CPU time without, 2.1 s with it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with as_source(observed) as source:
        session = onnxruntime.InferenceSession(source, options, providers=PROVIDERS, enable_fallback=0)
    return session, outputs


def _with_probes(model: onnx.ModelProto, probes: Sequence[Probe]) -> tuple[onnx.ModelProto, list[list[str]]]:
    import onnx

    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    outputs = [probe.outputs(observed.graph, opset) for probe in probes]
    return observed, outputs


def _batches(data: Dataset, size: int, is_fixed: bool) -> Iterator[tuple[dict[str, Array], Batch]]:
    for number, feeds in enumerate(data.batches(size, is_filled=is_fixed)):
        samples = min(size, len(data) - number * size)
        yield feeds, Batch(size=size if is_fixed else samples, samples=samples)


def _batch_size(model: onnx.ModelProto, session: Any) -> tuple[int, bool]:
    """The batch that the model fixes, else `BATCH` or what leaves little at once; and whether it is fixed."""
    constants = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in constants]
    axes = [value.type.tensor_type.shape.dim[0] for value in values if value.type.tensor_type.shape.dim]
    fixed = [axis.dim_value for axis in axes if axis.HasField("dim_value") and axis.dim_value > 0]
    if fixed:
        return fixed[0], True
    lengths = [[axis for axis in value.shape[1:] if isinstance(axis, int)] for value in session.get_outputs()]
    sample_bytes = sum(4 * math.prod(axes) for axes in lengths)
    return max(1, min(BATCH, _LEAVING_BYTES // max(sample_bytes, 1))), False


def _channel_probes(model: onnx.ModelProto, channels: Mapping[str, int]) -> list[ChannelProbe]:
    if not channels:
        return []
    ranks = _ranks(model)
    for name, axis in channels.items():
        rank = ranks.get(name, 0)
        if not -rank <= axis < rank:
            told = f"{rank} axes" if name in ranks else "an unknown number of axes"
            raise InputError(f"tensor `{name}` has {told}; channels were expected on axis `{axis}`", hint=RUNTIME_HINT)
    return [ChannelProbe(name=name, axis=axis % ranks[name], rank=ranks[name]) for name, axis in channels.items()]


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    """Number of axes of each tensor of the main graph, where inference can tell it."""
    import onnx

    light = without_large_constants(model)  # a model above 2 GiB cannot be handed over with its data
    graph = onnx.shape_inference.infer_shapes(light, strict_mode=False, data_prop=True).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    return {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in values
        if value.type.tensor_type.HasField("shape")
    }


def _not_finite(probe: Probe, source: str) -> InputError:
    return InputError(
        f"tensor `{probe.name}` becomes NaN or infinite on `{source}`",
        hint="the float model itself overflows on this data; check its weights and the preprocessing",
    )
