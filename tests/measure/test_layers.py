"""Which layer does what to the output, as separate models with that layer quantized would show it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError
from edgeopt.graph.pieces import pieces
from edgeopt.measure.layers import layer_damage, layer_signals, opened


@pytest.fixture
def samples():
    return np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)


@pytest.fixture
def data(samples):
    return Dataset(inputs={"x": samples}, source="samples", indices=np.arange(len(samples)))


@pytest.fixture
def made(small_models, quantize_foreign, samples):
    return quantize_foreign(small_models.dense(), {"x": samples})


def decibels(before, after):
    return float(10 * np.log10(np.square(before).sum() / np.square(after - before).sum()))


def test_damage_is_what_a_model_with_that_layer_alone_quantized_shows(
    small_models, quantize_foreign, outputs_of, data, made
):
    base, samples = small_models.dense(), data.inputs["x"]
    alone = quantize_foreign(base, {"x": samples}, nodes_to_quantize=["second", "relu2"])
    before, after = (outputs_of(model, {"x": samples})["scores"] for model in (base, alone))

    found = {damage.name: damage for damage in layer_damage(base, made, data)}

    assert found["second"].output_sqnr_db == pytest.approx(decibels(before, after), abs=0.05)
    assert found["second"].operator == "Gemm"


def test_damages_come_worst_first_and_share_all_noise(small_models, data, made):
    found = layer_damage(small_models.dense(), made, data)

    assert [damage.output_sqnr_db for damage in found] == sorted(damage.output_sqnr_db for damage in found)
    assert sum(damage.noise_share for damage in found) == pytest.approx(1)
    assert {damage.name for damage in found} == {"first", "second", "third"}


def test_files_and_models_in_memory_give_the_same(small_models, save_model, data, made):
    base = small_models.dense()
    paths = save_model(base), save_model(made, "made.onnx")

    assert layer_damage(*paths, data) == layer_damage(base, made, data)


def test_memory_of_sums_does_not_depend_on_the_batch(small_models, data, made, monkeypatch):
    from edgeopt.measure import branches

    whole = layer_damage(small_models.dense(), made, data)
    monkeypatch.setattr(branches, "BATCH", 5)
    monkeypatch.setattr(branches, "_MOST_LAYERS", 1)

    parted = layer_damage(small_models.dense(), made, data)

    assert [damage.output_sqnr_db for damage in parted] == [
        pytest.approx(damage.output_sqnr_db, abs=1e-3) for damage in whole
    ]


def test_progress_counts_batches_of_all_runs(small_models, data, made, monkeypatch):
    from edgeopt.measure import branches

    monkeypatch.setattr(branches, "_MOST_LAYERS", 2)
    said = []

    layer_damage(small_models.dense(), made, data, progress=lambda done, total: said.append((done, total)))

    assert said == [(done, 16) for done in range(1, 17)]


def test_weights_and_activations_are_told_apart(small_models, outputs_of, samples, data, made):
    base = small_models.dense()
    parts = pieces(base, made, base_name="b", candidate_name="c")

    signals = layer_signals(parts, data)

    hidden = small_models.dense()
    hidden.graph.output.append(small_models.value("a2", "batch", 12))
    values = outputs_of(hidden, {"x": samples})
    changed = small_models.dense()
    changed.graph.output.append(small_models.value("a2", "batch", 12))
    for tensor in changed.graph.initializer:
        held = {"w2": parts.candidate.layers[1].weight, "b2": parts.candidate.layers[1].bias}.get(tensor.name)
        if held is not None:
            tensor.CopyFrom(onnx.numpy_helper.from_array(held.values, tensor.name))
    with_weights = outputs_of(changed, {"x": samples})
    assert signals[1].weights_sqnr_db == pytest.approx(decibels(values["a2"], with_weights["a2"]), abs=0.05)
    assert signals[1].activations_sqnr_db < signals[1].weights_sqnr_db + 20
    assert 0 < signals[1].shift_share < 1
    assert signals[1].gain_db is None
    assert signals[1].weights_output_sqnr_db is None


def test_weights_and_activations_are_told_apart_at_the_output_where_it_suffers(small_models, data, made):
    (first, second, third) = layer_signals(opened(small_models.dense(), made), data, apart_below_db=200.0)

    for signal in (first, second, third):
        ratio = sum(10 ** (-value / 10) for value in (signal.weights_output_sqnr_db, signal.activations_output_sqnr_db))
        assert -10 * np.log10(ratio) == pytest.approx(signal.output_sqnr_db, abs=1.5)


def test_narrow_channels_that_wide_ones_drown_show_at_the_output(small_models, quantize_foreign, data):
    base = small_models.dense(channel=300.0)
    made = quantize_foreign(base, data.inputs, per_channel=False)

    second = layer_signals(opened(base, made), data)[1]

    assert second.weights_sqnr_db > 30
    assert second.weights_output_sqnr_db < 20


def test_gain_is_what_the_whole_model_gains_without_the_layer(small_models, quantize_foreign, outputs_of, data, made):
    base, samples = small_models.dense(), data.inputs["x"]
    rest = quantize_foreign(base, {"x": samples}, nodes_to_exclude=["second"])
    before, whole, without = (outputs_of(model, {"x": samples})["scores"] for model in (base, made, rest))

    signals = layer_signals(opened(base, made), data, has_gain=True)

    # ONNX Runtime leaves the pair before the excluded layer where another layer writes through it.
    gain = decibels(before, without) - decibels(before, whole)
    assert signals[1].gain_db == pytest.approx(gain, abs=3)
    assert signals[1].gain_db > 0


def test_a_layer_without_a_known_float_weight_says_nothing_of_its_weights(small_models, samples, data, made):
    base = small_models.dense()
    weight = next(tensor for tensor in base.graph.initializer if tensor.name == "w2")
    other = np.random.default_rng(9).standard_normal((12, 12)).astype(np.float32)
    weight.CopyFrom(onnx.numpy_helper.from_array(other, "w2"))

    signals = layer_signals(opened(base, made), data)

    assert signals[1].weights_sqnr_db is None
    assert signals[0].weights_sqnr_db is not None


def test_samples_that_the_model_does_not_take_are_told_so(small_models, made):
    data = Dataset(inputs={"x": np.zeros((4, 7), np.float32)}, source="samples", indices=np.arange(4))

    with pytest.raises(InputError, match="ONNX Runtime failed on these inputs"):
        layer_damage(small_models.dense(), made, data)


def test_a_fixed_batch_takes_whole_batches(small_models, quantize_foreign, samples):
    base = small_models.dense()
    for value in (*base.graph.input, *base.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 5
    made = quantize_foreign(small_models.dense(), {"x": samples})
    for value in (*made.graph.input, *made.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 5

    def rows(count):
        return Dataset(inputs={"x": samples[:count]}, source="samples", indices=np.arange(count))

    assert layer_damage(base, made, rows(13)) == layer_damage(base, made, rows(10))
    assert layer_damage(base, made, rows(1))[0].output_sqnr_db > 0


@pytest.mark.shared
def test_the_noise_of_single_layers_sums_up_to_that_of_the_real_network(shared_data, tmp_path):
    from edgeopt.data.bind import bind_dataset
    from edgeopt.data.read import read_dataset
    from edgeopt.graph.load import onnx_artifact
    from edgeopt.measure.whole import whole_signal
    from edgeopt.steps.quantize.step import Quantize

    base = shared_data / "kws" / "kws_dscnn.onnx"
    artifact = onnx_artifact(base)
    data = bind_dataset(read_dataset(str(shared_data / "kws" / "eval.npz"), artifact.inputs), artifact.inputs)
    Quantize(target="rpi4", range="minmax", equalize=False).apply(base, tmp_path / "q.onnx", data.rows(np.arange(100)))
    judged = data.rows(np.arange(100, 200))

    parts = opened(base, tmp_path / "q.onnx")
    whole = whole_signal(parts, base, tmp_path / "q.onnx", judged)
    damages = layer_damage(base, tmp_path / "q.onnx", judged)

    assert not any(found.reason for found in parts.floats.values())
    assert whole.reference_sqnr_db > 100
    assert whole.simulated_sqnr_db == pytest.approx(whole.candidate_sqnr_db, abs=1)
    summed = -10 * np.log10(sum(10 ** (-damage.output_sqnr_db / 10) for damage in damages))
    # Layers touch the pairs between them twice, so their sum is at most 3 dB worse than independent noise.
    assert summed == pytest.approx(whole.simulated_sqnr_db, abs=4)
