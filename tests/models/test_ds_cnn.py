"""DS-CNN has the shape of MLPerf Tiny's, and takes its weights."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
KWS = ROOT.parent / "shared" / "data" / "kws"
DS_CNN = runpy.run_path(str(ROOT / "models" / "ds_cnn.py"))

needs_shared_data = pytest.mark.skipif(not KWS.exists(), reason=f"the shared data is missing: no folder {KWS}")


@pytest.fixture
def pretrained() -> Any:
    """DS-CNN with MLPerf Tiny's weights, in evaluation mode."""
    model = DS_CNN["build"]()
    model.load_state_dict(torch.load(KWS / "kws_dscnn.pt", weights_only=True), strict=True)
    return model.eval()


def test_default_build_gives_one_logit_per_word() -> None:
    model = DS_CNN["build"]().eval()

    assert model(*DS_CNN["example_inputs"]()).shape == (1, 12)


@pytest.mark.parametrize(("classes", "width", "blocks"), [(2, 64, 4), (35, 24, 1), (12, 5, 0)])
def test_classes_width_and_blocks_are_free(classes: int, width: int, blocks: int) -> None:
    model = DS_CNN["build"](classes=classes, width=width, blocks=blocks).eval()
    convolutions = [layer for layer in model if isinstance(layer, torch.nn.Conv2d)]

    assert model(*DS_CNN["example_inputs"]()).shape == (1, classes)
    assert len(convolutions) == 1 + 2 * blocks
    assert {layer.out_channels for layer in convolutions} == {width}


def test_example_inputs_are_the_same_features_at_every_call() -> None:
    (first,) = DS_CNN["example_inputs"]()
    (second,) = DS_CNN["example_inputs"]()

    assert first.shape == (1, 1, 49, 10)
    assert first.dtype == torch.float32
    assert torch.equal(first, second)


@pytest.mark.shared
@needs_shared_data
def test_mlperf_tiny_weights_give_91_3_percent_on_its_1000_samples(pretrained: Any) -> None:
    samples = np.load(KWS / "eval.npz")
    with torch.no_grad():
        words = pretrained(torch.from_numpy(samples["features"])).argmax(1).numpy()

    assert np.sum(words == samples["y"]) == 913


@pytest.mark.shared
@needs_shared_data
def test_mlperf_tiny_weights_give_the_probabilities_of_its_onnx_file(pretrained: Any) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    features = np.load(KWS / "eval.npz")["features"]
    (expected,) = onnxruntime.InferenceSession(KWS / "kws_dscnn.onnx").run(None, {"features": features})
    with torch.no_grad():
        probabilities = pretrained(torch.from_numpy(features)).softmax(1).numpy()

    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
