"""int4-weights: the packing is that of ONNX Runtime, and its kernel computes what the integers stand for."""

import numpy as np
import pytest
from onnx import helper
from onnxruntime.capi._pybind_state import quantize_matmul_4bits

from edgeopt.core.dataset import Dataset, no_samples
from edgeopt.core.profiles import load_target
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.costs import cost_of
from edgeopt.graph.quantization import quantization_state
from edgeopt.steps.quantize.int4 import Int4Weights
from edgeopt.steps.quantize.rounding.blockwise import Blocks, in_blocks, nearest, quantize_blocks, range_parameters


@pytest.fixture
def int4(quantize_model):
    """Makes an int4-weights model from one in memory."""
    return lambda model, data=None, **options: quantize_model(
        model, data, **{"scheme": "int4-weights", "target": "host", **options}
    )


def weight_of(rows=96, columns=24, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def unpacked(packed, rows):
    """(column, row) integers of packed blocks; what fills the last block is nothing that a kernel reads."""
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(packed), -1)[:, :rows]


def product(small_models, weight):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    return small_models.model(
        nodes,
        [small_models.value("x", "batch", len(weight))],
        [small_models.value("y", "batch", weight.shape[1])],
        small_models.constants(w=weight),
    )


@pytest.mark.parametrize(("rows", "block_size"), [(96, 16), (96, 32), (100, 32), (7, 16), (160, 32), (256, 128)])
def test_integers_scales_and_points_are_packed_as_onnx_runtime_packs_them(rows, block_size):
    weight = weight_of(rows)
    columns, count = weight.shape[1], -(-rows // block_size)
    packed = np.zeros((columns, count, block_size // 2), np.uint8)
    scales = np.zeros((columns, count), np.float32)
    points = np.zeros((columns, (count + 1) // 2), np.uint8)
    padded = np.pad(weight, ((0, count * block_size - rows), (0, 0)))
    quantize_matmul_4bits(packed, padded, scales, points, block_size, columns, rows, False)

    blocks = in_blocks(weight, block_size)
    scale, point = range_parameters(blocks)
    ours = Blocks(integers=nearest(blocks, scale, point), scale=scale, zero_point=point, rows=rows)

    np.testing.assert_allclose(ours.scale, scales, rtol=1e-6)
    np.testing.assert_array_equal(ours.packed_zero_points(), points)
    np.testing.assert_array_equal(unpacked(ours.packed(), rows), unpacked(packed, rows))


@pytest.mark.parametrize(("rows", "block_size"), [(96, 16), (100, 32), (7, 16), (512, 256)])
def test_the_kernel_computes_what_the_integers_stand_for(small_models, int4, outputs_of, rows, block_size):
    weight = weight_of(rows)
    made = int4(product(small_models, weight), block_size=block_size)
    samples = np.random.default_rng(1).standard_normal((5, rows)).astype(np.float32)

    answer = outputs_of(made.model, {"x": samples})["y"]

    expected = samples @ quantize_blocks(weight, block_size).dequantized()
    # The kernel rounds activations to int8 in blocks: half a step of 1/127 of the largest each.
    noise = np.square(answer - expected).sum() / np.square(expected).sum()
    assert noise < 1e-3
    assert noise < np.square(answer - samples @ weight).sum() / np.square(expected).sum() / 10


def test_the_best_range_errs_less_than_the_extremes():
    weight = weight_of(512, 64)
    blocks = in_blocks(weight, 32)
    scale, point = range_parameters(blocks)
    plain = Blocks(integers=nearest(blocks, scale, point), scale=scale, zero_point=point, rows=512)

    errors = [np.square(made.dequantized() - weight).sum() for made in (quantize_blocks(weight, 32), plain)]

    assert errors[0] < 0.95 * errors[1]


def test_large_weights_are_the_same_in_chunks(monkeypatch):
    from edgeopt.steps.quantize.rounding import blockwise

    weight = weight_of(64, 50)
    whole = quantize_blocks(weight, 32)
    monkeypatch.setattr(blockwise, "_CHUNK_ELEMENTS", 7 * 64)

    parts = quantize_blocks(weight, 32)

    np.testing.assert_array_equal(whole.integers, parts.integers)
    np.testing.assert_allclose(whole.scale, parts.scale, rtol=1e-6)  # sums in another order


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, 1e-42], ids=["zeros", "ones", "negative", "subnormal"])
def test_constant_blocks_keep_their_value(value):
    made = quantize_blocks(np.full((64, 3), value, np.float32), 32)

    assert np.isfinite(made.scale).all()
    assert (made.scale > 0).all()
    np.testing.assert_allclose(made.dequantized(), value, rtol=1e-6, atol=1e-37)


def test_every_product_of_a_transformer_is_packed_and_attention_stays_float(small_models, int4, sqnr_of):
    made = int4(small_models.attention())

    assert made.operators.count("MatMulNBits") == 4
    assert set(made.kept_float) == {"scores_of_pairs", "mixing"}
    assert sqnr_of(made)["scores"] > 12
    scheme = made.report.details["scheme"]
    assert (scheme["weights"], scheme["weight_bits"], scheme["block_size"]) == ("int4", 4, 32)


def test_a_finer_block_errs_less(small_models, int4, sqnr_of):
    model = product(small_models, weight_of(512, 32))

    fine, coarse = (sqnr_of(int4(model, block_size=size))["y"] for size in (16, 256))

    assert fine > coarse + 1


def test_the_file_is_an_eighth_and_its_scales(small_models, int4):
    weight = weight_of(1024, 256)

    made = int4(product(small_models, weight), block_size=128)

    assert made.path.stat().st_size < weight.nbytes * (1 / 8 + 1 / 128 + 1 / 1024) + 2000


def test_a_model_without_products_is_refused_with_the_reason(small_models, int4):
    with pytest.raises(Unsupported, match="runs on 4-bit weights: it has no MatMul or Gemm"):
        int4(small_models.nhwc())


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        (np.ones((2, 4, 4), np.float32), "its weight has 3 axes, the kernel takes 2"),
        (np.ones((4, 4), np.float64), "its weight is not float32"),
    ],
    ids=["3 axes", "float64"],
)
def test_a_weight_that_the_kernel_does_not_take_stays_float(small_models, int4, weight, reason):
    kind = helper.np_dtype_to_tensor_dtype(weight.dtype)
    model = small_models.model(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        [small_models.value("x", 2, 4, 4, dtype=kind)],
        [small_models.value("y", 2, 4, 4, dtype=kind)],
        small_models.constants(w=weight),
    )

    with pytest.raises(Unsupported) as caught:
        int4(model)

    assert f"(`product`: {reason})" in caught.value.message


def test_the_state_says_weights(small_models, int4):
    state = quantization_state(int4(small_models.attention()).model.graph)

    assert (state.kind, state.activations, state.weights) == ("weights", (), ("int4",))
    assert state.is_per_channel
    assert (state.quantized, state.total) == (4, 6)


def learnable(small_models, seed=0):
    """A product whose 96 inputs are mixtures of 12, as inputs of real layers are; and samples of them."""
    generator = np.random.default_rng(seed)
    inputs = generator.standard_normal((256, 12)) @ generator.standard_normal((12, 96))
    inputs += 0.05 * generator.standard_normal(inputs.shape)
    arrays = {"x": inputs.astype(np.float32)}
    return product(small_models, weight_of(96, 24)), Dataset(inputs=arrays, source="mixtures", indices=np.arange(256))


def test_gptq_errs_far_less_where_inputs_depend_on_each_other(small_models, int4, sqnr_of):
    model, data = learnable(small_models)

    nearest, gptq = (sqnr_of(int4(model, data, rounding=rounding))["y"] for rounding in ("nearest", "gptq"))

    assert gptq > nearest + 5


def test_auto_tries_gptq_on_samples_held_back_and_says_so(small_models, int4):
    model, data = learnable(small_models)

    details = int4(model, data).report.details

    assert details["scheme"]["rounding"] == "gptq"
    (tried,) = details["corrections"]["tried"]
    assert tried["change"] == {"rounding": "gptq"}
    assert tried["kept"]
    assert tried["after_db"] > tried["before_db"] + 5
    assert 0 < details["corrections"]["held_back"] < 256


def test_auto_keeps_the_nearest_where_gptq_is_no_better(small_models, int4):
    # All that was seen of the inputs is zero, so there is nothing to learn.
    data = Dataset(inputs={"x": np.zeros((32, 96), np.float32)}, source="zeros", indices=np.arange(32))
    model = product(small_models, weight_of(96, 24))

    made = int4(model, data)

    assert made.report.details["scheme"]["rounding"] == "nearest"
    assert made.model.graph.initializer == int4(model, rounding="nearest").model.graph.initializer


def test_auto_without_samples_rounds_to_the_nearest(small_models, int4):
    details = int4(small_models.attention(), no_samples()).report.details

    assert details["scheme"]["rounding"] == "nearest"
    assert details["corrections"] == {"rounding": "nearest", "held_back": 0, "tried": [], "origin": "host"}


def test_a_weight_of_two_products_is_rounded_for_both(small_models, int4):
    arrays = small_models.constants(w=weight_of(24, 24))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["y"])]
    made = int4(
        small_models.model(
            nodes, [small_models.value("x", "batch", 24)], [small_models.value("y", "batch", 24)], arrays
        ),
        rounding="gptq",
    )

    packed = [node.input[1] for node in made.model.graph.node if node.op_type == "MatMulNBits"]
    assert len(packed) == 2
    assert len(set(packed)) == 1


def test_adaround_is_refused():
    with pytest.raises(InputError, match="`adaround`, which scheme `int4-weights` does not know"):
        Int4Weights(target=load_target("host"), rounding="adaround")


def test_a_large_embedding_goes_to_int8_beside_4_bit_products(small_models, int4):
    made = int4(small_models.attention())

    assert [entry["table"] for entry in made.report.details["embeddings"]] == ["table"]


def test_a_node_that_the_user_keeps_float_stays_so(small_models, int4):
    made = int4(small_models.attention(), keep_float=("query", "embedding"))

    assert made.operators.count("MatMulNBits") == 3
    assert made.kept_float["query"] == "the user keeps it float"
    assert made.report.details["embeddings"] == []


def test_a_node_to_keep_float_that_is_not_there_is_refused(small_models, int4):
    with pytest.raises(InputError, match="`qery`"):
        int4(small_models.attention(), keep_float=("qery",))


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("x86-64-avx2", "activations become int8 inside the kernel"),
        ("rpi5", "activations become int8 inside the kernel"),
        ("rpi4", "`rpi4` has no dot products of bytes, so the kernel computes in float32"),
    ],
)
def test_the_reason_says_what_the_kernel_of_the_target_does(small_models, int4, target, reason):
    assert reason in int4(small_models.mlp(), target=target).report.details["scheme"]["reason"]


def test_too_few_samples_to_try_it_on_leave_the_nearest_and_that_is_said(small_models, int4):
    model, data = learnable(small_models)

    made = int4(model, data.rows(np.arange(5)))

    assert made.report.details["scheme"]["rounding"] == "nearest"
    assert made.report.warnings[0].startswith("5 sample(s) are too few to hold any back")


def test_a_packed_weight_costs_as_many_parameters_as_before(small_models, int4):
    before = cost_of(small_models.mlp(), where="m")

    after = cost_of(int4(small_models.mlp()).model, where="m")

    assert after.parameters == before.parameters
    # What the first product gives has no shape that the standard knows, so the second one's MACs are unknown.
    assert (after.macs, len(after.unknown)) == (3 * 4, 1)
