"""The shipped digits and the shipped model are small, agree with each other, and are accurate."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def digits() -> dict[str, Any]:
    """The columns of `digits.npz`."""
    with np.load(MODELS / "digits.npz", allow_pickle=False) as columns:
        return dict(columns)


def onnx_logits(images: Any) -> Any:
    """Logits (sample, class=10) float32 of the shipped ONNX file for images as `digits.npz` holds them."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(MODELS / "digits_resnet8.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": images.astype(np.float32)})
    return logits


def test_the_three_files_take_less_than_1_5_megabytes() -> None:
    names = ["digits.npz", "digits_resnet8.pt", "digits_resnet8.onnx"]

    assert sum((MODELS / name).stat().st_size for name in names) < 1_500_000


def test_columns_have_the_promised_shapes_and_types(digits: dict[str, Any]) -> None:
    assert digits.keys() == {"x", "y", "part"}
    assert digits["x"].shape == (1797, 1, 32, 32)
    assert digits["x"].dtype == np.uint8
    assert (digits["x"].min(), digits["x"].max()) == (0, 255)
    assert digits["y"].shape == digits["part"].shape == (1797,)
    assert digits["y"].dtype == np.int64
    assert digits["part"].dtype.kind == "U"


def test_parts_are_898_calibration_and_899_confirm_rows(digits: dict[str, Any]) -> None:
    names, sizes = np.unique(digits["part"], return_counts=True)

    assert dict(zip(names.tolist(), sizes.tolist(), strict=True)) == {"calibration": 898, "confirm": 899}


def test_parts_share_no_image(digits: dict[str, Any]) -> None:
    calibration, confirm = (
        {hash(image.tobytes()) for image in digits["x"][digits["part"] == part]} for part in ("calibration", "confirm")
    )

    assert len(confirm) == 899
    assert not calibration & confirm


def test_every_digit_is_as_common_in_both_parts(digits: dict[str, Any]) -> None:
    calibration, confirm = (np.bincount(digits["y"][digits["part"] == part]) for part in ("calibration", "confirm"))

    assert np.abs(calibration - confirm).max() <= 1


def test_the_script_makes_the_shipped_columns(digits: dict[str, Any]) -> None:
    pytest.importorskip("sklearn")
    images, labels, part = runpy.run_path(str(MODELS / "train_digits.py"))["digits_columns"]()

    np.testing.assert_array_equal(digits["x"], images)
    np.testing.assert_array_equal(digits["y"], labels)
    np.testing.assert_array_equal(digits["part"], part)


def test_shifted_images_move_by_at_most_three_pixels() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    dots = torch.zeros(200, 1, 32, 32)
    dots[:, 0, 16, 16] = 255
    moved = runpy.run_path(str(MODELS / "train_digits.py"))["shifted"](dots)
    rows, columns = moved.nonzero()[:, 2:].T.tolist()

    assert moved.sum() == dots.sum()
    assert set(rows) == set(columns) == {13, 14, 15, 16, 17, 18, 19}


def test_shipped_onnx_gets_98_percent_of_the_confirm_rows_right(digits: dict[str, Any]) -> None:
    confirm = digits["part"] == "confirm"
    answers = onnx_logits(digits["x"][confirm]).argmax(1)

    assert np.mean(answers == digits["y"][confirm]) >= 0.98


def test_shipped_onnx_equals_the_shipped_state_dict(digits: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    model = runpy.run_path(str(MODELS / "resnet8.py"))["build"](channels=1)
    model.load_state_dict(torch.load(MODELS / "digits_resnet8.pt", weights_only=True), strict=True)
    images = digits["x"][:200]
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(images).float()).numpy()

    np.testing.assert_allclose(onnx_logits(images), expected, rtol=1e-4, atol=1e-4)


def test_shipped_onnx_has_a_free_batch_and_folded_normalization() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(MODELS / "digits_resnet8.onnx")
    onnx.checker.check_model(model, full_check=True)
    (image,), (logits,) = model.graph.input, model.graph.output

    assert (image.name, logits.name) == ("image", "logits")
    assert image.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [size.dim_value for size in image.type.tensor_type.shape.dim[1:]] == [1, 32, 32]
    assert {node.op_type for node in model.graph.node} == {"Conv", "Relu", "Add", "AveragePool", "Flatten", "Gemm"}
    assert model.opset_import[0].version == 17
