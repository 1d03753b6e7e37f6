"""The autoencoder has the layers of MLPerf Tiny's anomaly detection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture
def autoencoder(model_file: Any) -> Any:
    return model_file("autoencoder")


def test_parameters_and_running_statistics_are_the_269992_that_keras_counts(autoencoder: Any) -> None:
    weights = autoencoder.build().state_dict()

    assert sum(value.numel() for name, value in weights.items() if "num_batches" not in name) == 269_992


def test_features_width_and_bottleneck_are_free(autoencoder: Any) -> None:
    layers = [layer for layer in autoencoder.build(features=20, width=7, bottleneck=3) if hasattr(layer, "in_features")]

    assert [layer.in_features for layer in layers] == [20, 7, 7, 7, 7, 3, 7, 7, 7, 7]
    assert layers[-1].out_features == 20


@pytest.mark.shared
def test_mlperf_tiny_weights_give_the_outputs_of_its_onnx_file(autoencoder: Any, shared_data: Path) -> None:
    """Its batch normalization is folded already: here it passes its input."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    path = shared_data / "mlperf_tiny" / "ad_autoencoder.onnx"
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    products = [node.input[1] for node in onnx.load(path).graph.node if node.op_type == "MatMul"]
    sums = [node.input[1] for node in onnx.load(path).graph.node if node.op_type == "Add"]
    network = autoencoder.build().eval()
    dense = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    for layer, kernel, bias in zip(dense, products, sums, strict=True):
        layer.weight.data = torch.from_numpy(constants[kernel].T.copy())
        layer.bias.data = torch.from_numpy(constants[bias].copy())
    for layer in network:
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_var.fill_(1 - layer.eps)
    features = torch.randn(20, 640, generator=torch.Generator().manual_seed(3)) * 10
    (expected,) = onnxruntime.InferenceSession(path).run(None, {"input_1": features.numpy()})
    with torch.no_grad():
        outputs = network(features)

    torch.testing.assert_close(outputs, torch.from_numpy(expected), rtol=1e-4, atol=1e-3)
