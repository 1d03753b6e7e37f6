"""What torch's current exporter writes of each network computes the same, and `inspect` counts it right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import edgeopt

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")


def encoder_macs(*, layers: int, length: int, width: int) -> int:
    """Four projections and two feed-forward layers of four times the width; scores and their weighted sum."""
    return layers * (length * (4 + 2 * 4) * width**2 + 2 * length**2 * width)


@dataclass(frozen=True)
class Network:
    """A network to export and the MACs of one sample; options of `build` and of `example_inputs`."""

    module: str
    macs: int
    build: Mapping[str, Any] = field(default_factory=dict)
    example: Mapping[str, Any] = field(default_factory=dict)


SMALL_BERT = {"vocabulary": 100, "length": 128}
BERT_MACS = encoder_macs(layers=4, length=128, width=256) + 256**2 + 256 * 2
VIT_MACS = 3 * 16 * 64 * 192 + encoder_macs(layers=6, length=65, width=192) + 192 * 10
NETWORKS = {
    "autoencoder": Network("autoencoder", 264_192),
    "bert": Network("bert", BERT_MACS, SMALL_BERT, SMALL_BERT),
    "ds_cnn": Network("ds_cnn", 2_656_768),
    "mobilenet_v1": Network("mobilenet_v1", 7_489_664),
    "mobilenet_v2_224": Network("mobilenet_v2", 300_774_272),
    "mobilenet_v2_32": Network(
        "mobilenet_v2", 27_969_024, {"width_multiplier": 0.5, "side": 32, "classes": 10}, {"side": 32}
    ),
    "resnet18": Network("resnet18", 1_814_073_344),
    "resnet20": Network("cifar_resnet", 40_551_040),
    "resnet8": Network("resnet8", 12_501_632),
    "vit": Network("vit", VIT_MACS),
}


@dataclass(frozen=True)
class Exported:
    """The torch module, one sample, its ONNX file, what edgeopt says of the file, and the network it was made of."""

    module: Any
    sample: Any
    path: Path
    inspection: Any
    network: Network


Export = Callable[..., Exported]


@pytest.fixture(scope="module")
def export(model_file: Any, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Exports a network of the table in an opset."""

    def run(name: str, opset: int = 18) -> Exported:
        network = NETWORKS[name]
        architecture = model_file(network.module)
        (sample,) = architecture.example_inputs(**network.example)
        batch = random_like(sample, samples=4 if sample.ndim == 4 else 64)  # one of images has many pixels a channel
        module = model_file("weights").untrained(lambda: architecture.build(**network.build), [(batch,)])
        path = tmp_path_factory.mktemp("export") / f"{name}.onnx"
        model_file("export").export_onnx(module, (sample,), path, opset=opset)
        return Exported(module, sample, path, edgeopt.inspect(path), network)

    return run


SLOW = ("mobilenet_v2_224",)  # more than ten seconds


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in NETWORKS],
)
def exported(request: Any, export: Export) -> Exported:
    return export(request.param)


def random_like(sample: Any, *, samples: int) -> Any:
    """Other samples than `sample`, of its shape and type, the same at every call."""
    generator = torch.Generator().manual_seed(samples)
    shape = (samples, *sample.shape[1:])
    if sample.is_floating_point():
        contrast = torch.linspace(0.2, 2, samples).view(-1, *[1] * (sample.ndim - 1))
        return torch.randn(shape, generator=generator) * contrast
    return torch.randint(SMALL_BERT["vocabulary"], shape, generator=generator)


def folded_parameters(module: Any) -> int:
    """Parameters once each batch normalization has become the bias of the layer before it."""
    normalizations = [layer for layer in module.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    weights = sum(parameter.numel() for parameter in module.parameters())
    layers = [layer for layer in module.modules() if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
    missing_biases = sum(layer.weight.shape[0] for layer in layers if layer.bias is None)
    return weights - sum(2 * layer.num_features for layer in normalizations) + missing_biases


def assert_same_outputs(exported: Exported, batch: Any) -> None:
    """The ONNX file and the module differ by less than 1e-4."""
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    (outputs,) = session.run(None, {session.get_inputs()[0].name: batch.numpy()})
    with torch.no_grad():
        expected = exported.module(batch)

    assert expected.std() > 0.1
    torch.testing.assert_close(torch.from_numpy(outputs), expected, rtol=1e-4, atol=1e-4)


def test_inspect_counts_the_macs_of_one_sample(exported: Exported) -> None:
    cost = exported.inspection.cost

    assert cost.macs == exported.network.macs
    assert cost.unknown == ()


def test_inspect_counts_the_parameters_with_batch_normalization_folded(exported: Exported) -> None:
    assert exported.inspection.cost.parameters == folded_parameters(exported.module)
    assert "BatchNormalization" not in exported.inspection.operators


def test_the_onnx_file_computes_what_torch_does_for_any_batch(exported: Exported) -> None:
    sample = exported.sample

    assert exported.inspection.artifact.inputs[0].shape == ("batch", *sample.shape[1:])
    for batch in (sample, random_like(sample, samples=3)):
        assert_same_outputs(exported, batch)


@pytest.mark.parametrize("name", ["bert", "vit"])
def test_attention_as_one_operator_counts_the_same(export: Export, name: str) -> None:
    exported = export(name, opset=23)

    assert exported.inspection.operators["Attention"] == len(exported.module.layers)
    assert exported.inspection.opsets == {"ai.onnx": 23}
    assert exported.inspection.cost.macs == exported.network.macs
    assert exported.inspection.cost.unknown == ()
    assert_same_outputs(exported, exported.sample)


@pytest.mark.shared
def test_the_autoencoder_costs_what_that_of_mlperf_tiny_does(export: Export, shared_data: Path) -> None:
    mine = export("autoencoder").inspection.cost
    published = edgeopt.inspect(shared_data / "mlperf_tiny" / "ad_autoencoder.onnx").cost

    assert (mine.macs, mine.parameters) == (published.macs, published.parameters)


def test_a_module_in_training_mode_is_refused(model_file: Any, tmp_path: Path) -> None:
    architecture = model_file("autoencoder")
    with pytest.raises(ValueError, match="training mode"):
        model_file("export").export_onnx(architecture.build(), architecture.example_inputs(), tmp_path / "m.onnx")

    assert not (tmp_path / "m.onnx").exists()


def test_an_opset_that_the_exporter_does_not_reach_is_refused(model_file: Any, tmp_path: Path) -> None:
    """The Pad of an option-A shortcut has no way back to opset 17: torch logs that, and keeps 18."""
    architecture = model_file("cifar_resnet")
    network = architecture.build(depth=8).eval()
    with pytest.raises(ValueError, match="in opset `17`, only in 18"):
        model_file("export").export_onnx(network, architecture.example_inputs(), tmp_path / "m.onnx", opset=17)

    assert not (tmp_path / "m.onnx").exists()
