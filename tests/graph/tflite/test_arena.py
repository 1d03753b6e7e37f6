"""The arena: what TFLite Micro's own interpreter records, to the byte."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeopt.graph.tflite.arena import Arena, as_int8, plan_arena
from edgeopt.graph.tflite.packing import live_bytes
from edgeopt.graph.tflite.read import read_tflite
from tests.graph.tflite.micro_models import single_models
from tests.graph.tflite.recorded import recorded, starts
from tests.small_tflite import Operator, Small, Tensor

SINGLE = single_models()
HOST_WORD = 8  # bytes


def arena_here(path: Path) -> Arena:
    """The arena of a model as the interpreter has it on this machine."""
    return plan_arena(read_tflite(path), word_bytes=HOST_WORD, is_recorded=True)


def many_channels(channels: int) -> Small:
    """A convolution whose scales are larger than its activations."""
    return Small(
        tensors=[
            Tensor(name="x", shape=(1, 1, 1, 8), dtype="int8", scales=[0.1]),
            Tensor(name="w", data=np.zeros((channels, 1, 1, 8), np.int8), dtype="int8", scales=[0.1] * channels),
            Tensor(name="b", data=np.zeros(channels, np.int32), dtype="int32"),
            Tensor(name="y", shape=(1, 1, 1, channels), dtype="int8", scales=[0.1]),
        ],
        operators=[
            Operator(
                kind="CONV_2D",
                inputs=["x", "w", "b"],
                outputs=["y"],
                options=("Conv2DOptions", {"strideW": 1, "strideH": 1}),
            )
        ],
        inputs=["x"],
        outputs=["y"],
    )


def many_outputs(channels: int) -> Small:
    """A dense layer whose scales are larger than its activations."""
    scales = [0.1] * channels
    return Small(
        tensors=[
            Tensor(name="x", shape=(1, 8), dtype="int8", scales=[0.1]),
            Tensor(name="w", data=np.zeros((channels, 8), np.int8), dtype="int8", scales=scales),
            Tensor(name="b", data=np.zeros(channels, np.int32), dtype="int32", scales=scales),
            Tensor(name="y", shape=(1, channels), dtype="int8", scales=[0.1]),
        ],
        operators=[
            Operator(
                kind="FULLY_CONNECTED", inputs=["x", "w", "b"], outputs=["y"], options=("FullyConnectedOptions", {})
            )
        ],
        inputs=["x"],
        outputs=["y"],
    )


def chain(count: int, *, constants: int = 0, shape: tuple[int, ...] = (1, 4)) -> Small:
    """`count` operators one after another, and constants that nothing reads."""
    return Small(
        tensors=[
            *(Tensor(name=f"t{place}", shape=shape) for place in range(count + 1)),
            *(Tensor(name=f"c{place}", data=np.zeros(4, np.float32)) for place in range(constants)),
        ],
        operators=[Operator(kind="FLOOR", inputs=[f"t{at}"], outputs=[f"t{at + 1}"]) for at in range(count)],
        inputs=["t0"],
        outputs=[f"t{count}"],
    )


def residual() -> Small:
    """A value that is kept while others are computed."""
    return Small(
        tensors=[Tensor(name=name, shape=(1, 8, 8, 4)) for name in "xabcy"],
        operators=[
            Operator(kind="ABS", inputs=["x"], outputs=["a"]),
            Operator(kind="SQUARE", inputs=["a"], outputs=["b"]),
            Operator(kind="FLOOR", inputs=["b"], outputs=["c"]),
            Operator(kind="ADD", inputs=["a", "c"], outputs=["y"], options=("AddOptions", {})),
        ],
        inputs=["x"],
        outputs=["y"],
    )


@pytest.mark.parametrize("label", SINGLE)
def test_a_kernel_takes_what_the_interpreter_records(save: Callable[..., Path], label: str) -> None:
    model = SINGLE[label]
    told, planned = recorded(model.content()), arena_here(save(model))
    assert planned.assumed == ()
    assert planned.head_bytes == told.head
    assert planned.tail_bytes == pytest.approx(told.tail, abs=16)  # what an odd length shifts is not followed


def test_the_interpreter_starts_with_every_kernel_in_what_is_needed(save: Callable[..., Path]) -> None:
    attempts = [(model.content(), arena_here(save(model)).needed_bytes + 16) for model in SINGLE.values()]
    assert dict(zip(SINGLE, starts(*attempts), strict=True)) == dict.fromkeys(SINGLE, True)


@pytest.mark.parametrize("model", [chain(1), chain(7), chain(20, constants=5), residual()])
def test_a_chain_and_a_residual_take_what_the_interpreter_records(save: Callable[..., Path], model: Small) -> None:
    told, planned = recorded(model.content()), arena_here(save(model))
    assert (planned.head_bytes, planned.tail_bytes, planned.used_bytes) == (told.head, told.tail, told.total)


def test_the_interpreter_starts_in_what_is_needed_and_in_no_less(save: Callable[..., Path]) -> None:
    models = [chain(4), chain(4, constants=20), chain(33), residual()]
    needed = [(model.content(), arena_here(save(model)).needed_bytes) for model in models]
    assert starts(*needed) == [True] * 4
    assert starts(*((content, size - 32) for content, size in needed)) == [False] * 4


@pytest.mark.parametrize("model", [many_channels(256), many_outputs(640)])
def test_scales_of_many_channels_are_held_beside_the_tail_while_it_prepares(
    save: Callable[..., Path], model: Small
) -> None:
    planned, told = arena_here(save(model)), recorded(model.content())
    assert (planned.head_bytes, planned.tail_bytes) == (told.head, told.tail)
    assert planned.needed_bytes > planned.used_bytes
    assert starts((model.content(), planned.needed_bytes), (model.content(), planned.used_bytes)) == [True, False]


def test_small_activations_need_more_to_start_than_they_use(save: Callable[..., Path]) -> None:
    planned = arena_here(save(chain(4, constants=20)))
    assert planned.needed_bytes > planned.used_bytes
    assert starts((chain(4, constants=20).content(), planned.used_bytes)) == [False]


def test_the_peak_names_its_operator_and_what_is_in_use(save: Callable[..., Path]) -> None:
    planned = plan_arena(read_tflite(save(residual())))
    assert planned.peak is not None
    assert planned.peak.live_bytes == 3 * 1024
    assert planned.peak.operator == "FLOOR"
    assert {name for name, _ in planned.peak.buffers} == {"a", "b", "c"}
    assert planned.peak.live_bytes == sum(size for _, size in planned.peak.buffers)


def test_a_model_that_computes_nothing_has_no_peak(save: Callable[..., Path]) -> None:
    nothing = Small(tensors=[Tensor(name="x", shape=(1, 4))], operators=[], inputs=["x"], outputs=["x"])
    assert plan_arena(read_tflite(save(nothing))).peak is None


def test_a_microcontroller_takes_less_than_a_machine_of_64_bits(save: Callable[..., Path]) -> None:
    model = read_tflite(save(residual()))
    small, large = plan_arena(model), plan_arena(model, word_bytes=HOST_WORD)
    assert small.head_bytes == large.head_bytes
    assert large.tail_bytes / 2 < small.tail_bytes < large.tail_bytes


@pytest.mark.parametrize("side", [4, 8, 16])
def test_the_arena_grows_with_the_input(save: Callable[..., Path], side: int) -> None:
    small, large = (plan_arena(read_tflite(save(chain(3, shape=(1, at, at, 4))))) for at in (side, side + 4))
    assert small.used_bytes < large.used_bytes
    assert small.needed_bytes <= large.needed_bytes


def test_int8_takes_a_quarter_of_the_head(save: Callable[..., Path]) -> None:
    model = read_tflite(save(residual()))
    assert plan_arena(as_int8(model)).head_bytes == plan_arena(model).head_bytes / 4


def test_variables_last_and_an_unknown_kernel_is_named(save: Callable[..., Path]) -> None:
    model = Small(
        tensors=[
            Tensor(name="x", shape=(1, 4)),
            Tensor(name="v", shape=(1, 64), is_variable=True),
            Tensor(name="y", shape=(1, 4)),
        ],
        operators=[Operator(kind="SVDF", inputs=["x", "v"], outputs=["y"])],
        inputs=["x"],
        outputs=["y"],
    )
    planned = plan_arena(read_tflite(save(model)))
    assert planned.assumed == ("SVDF",)
    assert {one.name for one in planned.buffers} == {"x", "y"}
    assert planned.tail_bytes > 256


def test_no_plan_takes_less_than_what_is_in_use_at_once(save: Callable[..., Path]) -> None:
    for model in (*SINGLE.values(), residual(), chain(9)):
        planned = plan_arena(read_tflite(save(model)))
        assert planned.head_bytes >= max(live_bytes(planned.buffers).values(), default=0)


@st.composite
def nets(draw: st.DrawFn) -> Small:
    """A net of up to nine operators over values of several lengths, some kept for later, some never read again."""
    lengths = {"t0": draw(st.integers(1, 300))}
    operators = []
    for place in range(1, draw(st.integers(2, 10))):
        made, first = f"t{place}", draw(st.sampled_from(sorted(lengths)))
        second = draw(st.sampled_from(sorted(lengths)))
        if draw(st.booleans()):
            operators.append(Operator(kind="SQUARE", inputs=[first], outputs=[made]))
            lengths[made] = lengths[first]
        else:
            options = ("ConcatenationOptions", {"axis": 1})
            operators.append(Operator(kind="CONCATENATION", inputs=[first, second], outputs=[made], options=options))
            lengths[made] = lengths[first] + lengths[second]
    kept = draw(st.sets(st.sampled_from([name for name in lengths if name != "t0"]), min_size=1, max_size=2))
    return Small(
        tensors=[Tensor(name=name, shape=(1, length)) for name, length in lengths.items()],
        operators=operators,
        inputs=["t0"],
        outputs=sorted(kept),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nets())
def test_any_net_takes_what_the_interpreter_records(save: Callable[..., Path], model: Small) -> None:
    told, planned = recorded(model.content()), arena_here(save(model))
    assert planned.head_bytes == told.head
    assert planned.tail_bytes == pytest.approx(told.tail, abs=16)
    assert planned.head_bytes >= max(live_bytes(planned.buffers).values())


@pytest.mark.shared
@pytest.mark.parametrize("name", ["ad_autoencoder_int8", "ic_resnet8_fp32", "ic_resnet8_int8", "kws_dscnn_int8"])
def test_the_models_of_mlperf_tiny_take_what_the_interpreter_records(shared_data: Path, name: str) -> None:
    path = shared_data / "mlperf_tiny" / f"{name}.tflite"
    told, planned = recorded(path.read_bytes()), arena_here(path)
    assert (planned.head_bytes, planned.tail_bytes) == (told.head, told.tail)
    content, needed = path.read_bytes(), planned.needed_bytes
    assert starts((content, needed), (content, needed - 32)) == [True, False]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "model", "dtype"),
    [
        ("ad_autoencoder_int8", "mlperf_tiny_ad_fc_autoencoder", "int8"),
        ("ic_resnet8_int8", "mlperf_tiny_ic_resnet8_cifar10", "int8"),
        ("ic_resnet8_fp32", "mlperf_tiny_ic_resnet8_cifar10", "fp32"),
        ("kws_dscnn_int8", "mlperf_tiny_kws_dscnn", "int8"),
    ],
)
def test_no_layer_reads_and_writes_more_than_the_head_holds(
    shared_data: Path, file: str, model: str, dtype: str
) -> None:
    with (shared_data / "latency" / "mlperf_tiny_features.csv").open() as lines:
        rows = {(row["model"], row["dtype"]): row for row in csv.DictReader(lines)}
    planned = plan_arena(read_tflite(shared_data / "mlperf_tiny" / f"{file}.tflite"))
    largest = int(rows[model, dtype]["max_layer_io_bytes"])
    assert largest <= planned.head_bytes <= 2 * largest


@pytest.mark.shared
def test_resnet8_takes_about_what_the_vendor_of_the_board_publishes(shared_data: Path) -> None:
    with (shared_data / "latency" / "stm32_modelzoo_memory.csv").open() as lines:
        (row,) = (row for row in csv.DictReader(lines) if row["model"] == "resnet_v1_8_32_int8")
    planned = plan_arena(read_tflite(shared_data / "mlperf_tiny" / "ic_resnet8_int8.tflite"))
    assert planned.used_bytes == pytest.approx(float(row["activation_ram_kib"]) * 1024, rel=0.1)
