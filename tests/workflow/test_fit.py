"""Whether a model fits: its arena and flash on microcontrollers, its weights and activations elsewhere."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgeopt
from edgeopt.core.profiles import load_target
from edgeopt.core.target import Sourced, Target
from edgeopt.graph.costs import Cost
from edgeopt.graph.tflite.arena import plan_arena
from edgeopt.graph.tflite.read import read_tflite
from edgeopt.workflow.fit import Need, fit_of_cost
from edgeopt.workflow.micro_fit import CODE_BYTES, MOST_CODE_BYTES, micro_fit
from tests.graph.tflite.micro_models import single_models
from tests.small_tflite import Operator, Small, Tensor

BOARD = load_target("stm32l4r5")
SINGLE = single_models()


def board(ram: float | None = 640_000, flash: float | None = 2_000_000) -> Target:
    """A microcontroller with so many bytes."""
    limits = [None if limit is None else Sourced(value=limit, source="a test") for limit in (ram, flash)]
    return replace(BOARD, ram_bytes=limits[0], flash_bytes=limits[1])


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Small], Path]:
    """Writes a small model and gives its path."""

    def write(model: Small) -> Path:
        path = tmp_path / "model.tflite"
        path.write_bytes(model.content())
        return path

    return write


def fit_of(path: Path, target: Target) -> Any:
    """The fit of a TFLite file."""
    return micro_fit(read_tflite(path), path.stat().st_size, target)


def test_a_small_model_fits_a_microcontroller(saved: Callable[[Small], Path]) -> None:
    path = saved(SINGLE["CONV_2D int8"])
    found = fit_of(path, board())
    assert found.fits is True
    assert found.ram.needed_bytes == plan_arena(read_tflite(path)).needed_bytes == sum(found.ram.parts.values())
    assert found.flash.needed_bytes == path.stat().st_size + CODE_BYTES == sum(found.flash.parts.values())
    assert found.flash.most_bytes == path.stat().st_size + MOST_CODE_BYTES
    assert (found.lacking, found.slow, found.advice) == ((), (), ())


def test_ram_that_is_short_by_a_byte_does_not_fit(saved: Callable[[Small], Path]) -> None:
    path = saved(SINGLE["ADD int8"])
    needed = plan_arena(read_tflite(path)).needed_bytes
    assert fit_of(path, board(ram=needed)).fits is True
    assert fit_of(path, board(ram=needed - 1)).fits is False


def test_ram_between_the_reference_kernels_and_those_of_cmsis_leaves_it_open(
    saved: Callable[[Small], Path],
) -> None:
    path = saved(SINGLE["CONV_2D int8"])
    least, most = fit_of(path, board()).ram.needed_bytes, fit_of(path, board()).ram.most_bytes
    assert least < most
    assert fit_of(path, board(ram=least - 1)).fits is False
    assert fit_of(path, board(ram=least)).fits is None
    assert fit_of(path, board(ram=most)).fits is True


def test_flash_between_the_least_and_the_most_code_leaves_it_open(saved: Callable[[Small], Path]) -> None:
    path = saved(SINGLE["CONV_2D int8"])
    size = path.stat().st_size
    assert fit_of(path, board(flash=size + MOST_CODE_BYTES)).fits is True
    assert fit_of(path, board(flash=size + CODE_BYTES)).fits is None
    assert fit_of(path, board(flash=size + CODE_BYTES - 1)).fits is False


def test_an_unknown_limit_leaves_it_open_unless_the_other_is_short(saved: Callable[[Small], Path]) -> None:
    path = saved(SINGLE["CONV_2D int8"])
    assert fit_of(path, board(ram=None)).fits is None
    assert fit_of(path, board(ram=None, flash=10)).fits is False


def test_an_operator_that_is_lacking_does_not_fit_and_gets_a_remedy(saved: Callable[[Small], Path]) -> None:
    gelu = Small(
        tensors=[Tensor(name=name, shape=(1, 4)) for name in "xy"],
        operators=[Operator(kind="GELU", inputs=["x"], outputs=["y"])],
        inputs=["x"],
        outputs=["y"],
    )
    found = fit_of(saved(gelu), board())
    assert found.fits is False
    assert found.ram.fits is True
    assert found.lacking[0].operator == "GELU"
    assert "write GELU with operators that TFLite Micro has" in found.advice[0]


def test_int8_is_advised_where_floats_do_not_fit(saved: Callable[[Small], Path]) -> None:
    path = saved(SINGLE["ADD float32"])
    arena = plan_arena(read_tflite(path))
    enough = fit_of(path, board(ram=arena.needed_bytes - 512)).advice
    assert "int8 in place of float32" in enough[0]
    assert "which fits" in enough[0]
    assert "which is still too much" in fit_of(path, board(ram=500)).advice[0]
    assert not any("int8" in text for text in fit_of(saved(SINGLE["ADD int8"]), board(ram=500)).advice)


def test_a_smaller_image_is_advised_at_which_it_would_fit(saved: Callable[[Small], Path]) -> None:
    def chain(side: int) -> Small:
        return Small(
            tensors=[Tensor(name=name, shape=(1, side, side, 4), dtype="int8", scales=[0.1]) for name in "xyz"],
            operators=[
                Operator(kind="RELU", inputs=["x"], outputs=["y"]),
                Operator(kind="RELU", inputs=["y"], outputs=["z"]),
            ],
            inputs=["x"],
            outputs=["z"],
        )

    limit = 20_000
    (advice,) = fit_of(saved(chain(64)), board(ram=limit)).advice
    side = int(advice.partition("about ")[2].partition(" x ")[0])
    assert f"{side} x {side} in place of 64 x 64" in advice
    assert fit_of(saved(chain(side)), board(ram=limit)).fits is True
    assert fit_of(saved(chain(side + 2)), board(ram=limit)).fits is False


def test_free_axes_and_vela_are_noted(saved: Callable[[Small], Path]) -> None:
    free = Small(
        tensors=[Tensor(name=name, shape=(1, 4), free=[0]) for name in "xy"],
        operators=[Operator(kind="RELU", inputs=["x"], outputs=["y"])],
        inputs=["x"],
        outputs=["y"],
    )
    assert "free axes of x count as 1" in fit_of(saved(free), board()).notes[0]
    assert fit_of(saved(SINGLE["ADD int8"]), board()).notes == ()
    assert "before Vela" in fit_of(saved(SINGLE["ADD int8"]), load_target("ethos-u55")).notes[0]


def test_floats_are_told_as_slow_where_integers_are_wanted(saved: Callable[[Small], Path]) -> None:
    found = fit_of(saved(SINGLE["CONV_2D float32"]), board())
    assert [one.operator for one in found.slow] == ["CONV_2D"]
    assert found.fits is True


def test_an_onnx_model_is_told_by_what_it_becomes(digits_model: Path) -> None:
    record = edgeopt.inspect(digits_model, target="stm32l4r5").as_json()["fit"]
    assert record["fits"] is True
    assert record["origin"] == "estimated"
    assert record["subject"] == "its conversion to TFLite with float32 inputs and outputs"
    assert record["peak"]["operator"] == "CONV_2D"
    assert record["peak"]["live_bytes"] == 3 * 16 * 32 * 32 * 4  # three float maps of the first stage
    assert record["arena"]["needed_bytes"] == record["needed_bytes"] == record["ram"]["needed_bytes"]
    assert record["ram_bytes"] == BOARD.ram_bytes.value


def test_a_quantized_onnx_model_is_told_with_int8_at_its_ends(small_models: Any, save_model: Any) -> None:
    made = edgeopt.quantize(save_model(small_models.conv()), target="rpi4", measure=False)
    record = edgeopt.inspect(made.artifact.path, target="stm32l4r5").as_json()["fit"]
    assert record["subject"] == "its conversion to TFLite with int8 inputs and outputs"
    assert record["slow"] == []


def test_a_model_that_does_not_convert_is_said_to_and_why(tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "odd.onnx"
    text = """<ir_version: 8, opset_import: ["" : 17]>
        odd (float[1, 4] x) => (float[1, 4] y) { y = Det_like (x) }"""
    model = onnx.parser.parse_model(text.replace("Det_like", "RandomNormalLike"))
    onnx.save(model, path)
    found = edgeopt.inspect(path, target="stm32l4r5")
    assert found.fit is not None
    assert found.fit.fits is False
    assert "does not convert to TFLite" in found.fit.refusal
    assert found.fits_memory is None


def test_without_the_converter_it_stays_open_and_the_pip_line_is_told(
    digits_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ai_edge_litert", "ai_edge_litert.schema_py_generated"):
        monkeypatch.setitem(sys.modules, name, None)
    found = edgeopt.inspect(digits_model, target="stm32l4r5").fit
    assert found is not None
    assert found.fits is None
    assert "`ai_edge_litert" in found.refusal
    assert found.advice == ("pip install 'edgeopt[tflite]'",)


def test_a_processor_keeps_weights_and_activations(digits_model: Path) -> None:
    record = edgeopt.inspect(digits_model, target="rpi4").as_json()["fit"]
    assert record["fits"] is record["fits_memory"] is True
    assert record["needed_bytes"] == sum(record["ram"]["parts"].values())
    assert (record["arena"], record["flash"], record["peak"]) == (None, None, None)


def test_custom_operators_are_lacking_in_litert_too(saved: Callable[[Small], Path]) -> None:
    custom = Small(
        tensors=[Tensor(name=name, shape=(1, 4)) for name in "xy"],
        operators=[Operator(custom="FlexErf", inputs=["x"], outputs=["y"])],
        inputs=["x"],
        outputs=["y"],
    )
    found = edgeopt.inspect(saved(custom), target="rpi4")
    assert found.fit is not None
    assert found.fit.fits is False
    assert found.fits_memory is True


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 10**9))
def test_a_larger_model_never_fits_where_a_smaller_does_not(weights: int, activations: int, limit: int) -> None:
    target = board(ram=limit)

    def fits(factor: int) -> bool | None:
        cost = Cost(
            macs=0,
            parameters=0,
            weight_bytes=factor * weights,
            activation_peak_bytes=factor * activations,
            unknown=(),
        )
        return fit_of_cost(cost, target).fits

    assert not (fits(1) is False and fits(2))


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_more_memory_never_takes_a_fit_away(needed: int, more: int, limit: int) -> None:
    def fits(room: int) -> bool | None:
        return Need(needed_bytes=needed, most_bytes=needed + more, limit=Sourced(value=room, source="a test")).fits

    order = {False: 0, None: 1, True: 2}
    assert order[fits(limit)] <= order[fits(limit + 1000)]


def test_constants_count_once_however_many_read_them(saved: Callable[[Small], Path]) -> None:
    weights = np.zeros((1, 64, 64, 1), np.float32)
    model = Small(
        tensors=[
            Tensor(name="x", shape=(1, 64, 64, 1)),
            Tensor(name="w", data=weights),
            Tensor(name="y", shape=(1, 64, 64, 1)),
            Tensor(name="z", shape=(1, 64, 64, 1)),
        ],
        operators=[
            Operator(kind="ADD", inputs=["x", "w"], outputs=["y"], options=("AddOptions", {})),
            Operator(kind="ADD", inputs=["y", "w"], outputs=["z"], options=("AddOptions", {})),
        ],
        inputs=["x"],
        outputs=["z"],
    )
    path = saved(model)
    (advice, *_) = fit_of(path, board(flash=path.stat().st_size + CODE_BYTES - 1)).advice
    saved_bytes = weights.nbytes * 3 // 4
    assert edgeopt.units.format_bytes(path.stat().st_size + CODE_BYTES - saved_bytes) in advice
