"""Networks of one or two layers, placed or quantized in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgeopt.core.dataset import Dataset
from edgeopt.steps.protocol import StepReport
from edgeopt.steps.quantize.placement.place import Placement, place
from edgeopt.steps.quantize.step import Quantize

SAMPLES = 64


def samples_for(model: Any, count: int = SAMPLES, seed: int = 0) -> Dataset:
    """Standard normal samples for every input that is no constant."""
    generator = np.random.default_rng(seed)
    constants = {tensor.name for tensor in model.graph.initializer}
    arrays = {}
    for value in model.graph.input:
        if value.name not in constants:
            kind = value.type.tensor_type
            shape = [axis.dim_value for axis in kind.shape.dim[1:]]
            dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
            arrays[value.name] = generator.standard_normal((count, *shape)).astype(dtype)
    return Dataset(inputs=arrays, source="normal samples", indices=np.arange(count))


@dataclass(frozen=True)
class Quantized:
    """What the step made of a model."""

    source: Path
    path: Path
    report: StepReport
    samples: Dataset

    @property
    def model(self) -> Any:
        return onnx.load(self.path)

    @property
    def operators(self) -> list[str]:
        return [node.op_type for node in self.model.graph.node]

    @property
    def kept_float(self) -> dict[str, str]:
        return {entry["node"]: entry["reason"] for entry in self.report.details["kept_float"]}

    def constant(self, name: str) -> Any:
        """The array of an initializer."""
        found = {tensor.name: tensor for tensor in self.model.graph.initializer}
        return onnx.numpy_helper.to_array(found[name])


@pytest.fixture
def quantize_model(save_model: Callable[..., Path]) -> Callable[..., Quantized]:
    """Quantizes a model in memory for ARM, unless options of the step say another target."""

    def quantize(model: Any, data: Dataset | None = None, **options: Any) -> Quantized:
        source = save_model(model)
        output = source.with_name("quantized.onnx")
        samples = samples_for(model) if data is None else data
        report = Quantize(**{"target": "rpi4", **options}).apply(source, output, samples)
        return Quantized(source, output, report, samples)

    return quantize


@pytest.fixture
def place_model() -> Callable[..., Placement]:
    """The placement for a model in memory, not folded."""

    def placed(model: Any, thin_channels: int = 0, **options: Any) -> Placement:
        import onnx_ir as ir

        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        return place(ir.serde.deserialize_model(inferred).graph, thin_channels=thin_channels, **options)

    return placed


@pytest.fixture
def int8_of() -> Callable[..., Any]:
    """Makes an int8 model with the types of this machine and without its rules of size; `keep` stays float."""

    def made(model: Any, feeds: Any, keep: Any = None) -> Any:
        import onnx_ir as ir

        from edgeopt.core.target import host_target
        from edgeopt.steps.quantize.affine import activation_parameters
        from edgeopt.steps.quantize.observation.observe import observe
        from edgeopt.steps.quantize.ranges.tensor import tensor_range
        from edgeopt.steps.quantize.types import int8_types
        from edgeopt.steps.quantize.write import Writer

        types, intermediate = int8_types(host_target()), ir.serde.deserialize_model(model)
        placement = place(intermediate.graph, keep_float=keep)
        count = len(next(iter(feeds.values())))
        data = Dataset(inputs=feeds, source="feeds", indices=np.arange(count))
        seen = observe(model, sorted({placement.root(name) for name in placement.tensors}), data).tensors
        ranges = {name: tensor_range(found, "minmax", types) for name, found in seen.items()}
        parameters = {name: activation_parameters(found.low, found.high, types) for name, found in ranges.items()}
        Writer(
            graph=intermediate.graph, placement=placement, parameters=parameters, types=types, per_channel=True
        ).write()
        return ir.serde.serialize_model(intermediate)

    return made


@pytest.fixture
def sqnr_of(outputs_of: Callable[..., Any]) -> Callable[[Quantized], dict[str, float]]:
    """Signal to quantization noise in dB per output, of models run without fused kernels."""

    def sqnr(made: Quantized) -> dict[str, float]:
        feeds = made.samples.inputs
        before, after = outputs_of(onnx.load(made.source), feeds), outputs_of(made.model, feeds)
        assert list(before) == list(after)
        return {
            name: float(10 * np.log10(np.square(before[name]).sum() / np.square(before[name] - after[name]).sum()))
            for name in before
        }

    return sqnr


@dataclass(frozen=True)
class Layer:
    """A model of one weighted node from `x` to `y`, its samples, and the node as the quantizer sees it."""

    model: Any
    node: Any
    data: Dataset

    @property
    def weight(self) -> Any:
        return self.node.inputs[1].const_value.numpy()

    def with_weight(self, weight: Any) -> Any:
        """The model with other weights."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight.astype(np.float32), "w"))
        return model


@pytest.fixture
def single_layer(small_models: Any) -> Callable[..., Layer]:
    """Builds a model of one Conv, Gemm or MatMul without bias; its samples are correlated and not centred on 0."""
    import onnx_ir as ir

    def build(
        operator: str, weight: tuple[int, ...], sample: tuple[int, ...], count: int = 24, **attributes: Any
    ) -> Layer:
        generator = np.random.default_rng(5)
        values = generator.standard_normal(weight) / np.prod(weight[1:]) ** 0.5
        level = 0.5 + 2 * generator.standard_normal((count, *[1] * len(sample)))
        samples = generator.standard_normal((count, *sample)) + generator.standard_normal(sample) + level
        model = small_models.model(
            [onnx.helper.make_node(operator, ["x", "w"], ["y"], name="layer", **attributes)],
            [small_models.value("x", "batch", *sample)],
            [small_models.value("y", *["axis"] * (len(sample) + 1))],
            small_models.constants(w=values.astype(np.float32)),
        )
        node = next(iter(ir.serde.deserialize_model(model).graph))
        data = Dataset(inputs={"x": samples.astype(np.float32)}, source="samples", indices=np.arange(count))
        return Layer(model, node, data)

    return build


@dataclass(frozen=True)
class ChannelsSeen:
    """Statistics per channel of one tensor, (channel,) each."""

    low: Any
    high: Any
    mean: Any


@pytest.fixture
def channels_of(outputs_of: Callable[..., Any]) -> Callable[..., dict[str, ChannelsSeen]]:
    """Statistics per channel of tensors (name -> axis of channels) while a model in memory runs on feeds."""

    def observe(model: Any, tensors: dict[str, int], feeds: Any) -> dict[str, ChannelsSeen]:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        known = {value.name for value in (*copy.graph.output, *copy.graph.input)}
        added = [onnx.helper.make_tensor_value_info(name, 1, None) for name in tensors if name not in known]
        copy.graph.output.extend(added)
        found = {**feeds, **outputs_of(copy, feeds)}
        seen = {}
        for name, axis in tensors.items():
            others = tuple(index for index in range(found[name].ndim) if index != axis)
            seen[name] = ChannelsSeen(*(getattr(found[name], how)(axis=others) for how in ("min", "max", "mean")))
        return seen

    return observe


@pytest.fixture
def rewritten() -> Callable[..., tuple[Any, Any]]:
    """A model in memory after a rewrite of its graph, and what the rewrite gave."""

    def rewrite(model: Any, change: Callable[[Any], Any]) -> tuple[Any, Any]:
        import onnx_ir as ir

        inner = ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(model, data_prop=True))
        given = change(inner.graph)
        result = ir.serde.serialize_model(inner)
        onnx.checker.check_model(result)
        return result, given

    return rewrite


@pytest.fixture
def require_same(outputs_of: Callable[..., Any]) -> Callable[..., None]:
    """Asserts that two models give the same on feeds, up to rounding."""

    def check(model: Any, result: Any, feeds: Any) -> None:
        before, after = outputs_of(model, feeds), outputs_of(result, feeds)
        assert list(before) == list(after)
        for name, expected in before.items():
            np.testing.assert_allclose(after[name], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())

    return check
