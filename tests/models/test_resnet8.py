"""ResNet8 has the shape of MLPerf Tiny's."""

import copy
import runpy
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

RESNET8 = runpy.run_path(str(Path(__file__).parents[2] / "models" / "resnet8.py"))


def test_default_build_gives_one_logit_per_class() -> None:
    model = RESNET8["build"]().eval()

    assert model(*RESNET8["example_inputs"]()).shape == (1, 10)


@pytest.mark.parametrize(("classes", "channels", "width"), [(2, 1, 16), (100, 3, 8), (10, 4, 5)])
def test_classes_channels_and_width_are_free(classes: int, channels: int, width: int) -> None:
    model = RESNET8["build"](classes=classes, channels=channels, width=width).eval()

    assert model(*RESNET8["example_inputs"](channels=channels)).shape == (1, classes)
    assert model.stem.convolution.out_channels == width


def test_parameters_and_running_statistics_are_the_78666_that_keras_counts() -> None:
    weights = RESNET8["build"]().state_dict()

    assert sum(value.numel() for name, value in weights.items() if "num_batches" not in name) == 78_666


def test_example_inputs_are_the_same_pixels_at_every_call() -> None:
    (first,) = RESNET8["example_inputs"]()
    (second,) = RESNET8["example_inputs"]()

    assert first.shape == (1, 3, 32, 32)
    assert first.dtype == torch.float32
    assert torch.equal(first, second)
    assert 0 <= first.min() < 1
    assert 254 < first.max() < 255


def test_a_copy_computes_the_same_and_shares_no_weights() -> None:
    model = RESNET8["build"]().eval()
    inputs = RESNET8["example_inputs"]()
    twin = copy.deepcopy(model)
    expected = model(*inputs)
    torch.nn.init.zeros_(model.dense.weight)

    assert torch.equal(twin(*inputs), expected)


def test_torch_exports_the_program() -> None:
    model = RESNET8["build"]().eval()
    inputs = RESNET8["example_inputs"]()
    program = torch.export.export(model, inputs)

    assert torch.allclose(program.module()(*inputs), model(*inputs))
