"""`edgeopt.quantize` and recipes under schemes that need no samples: what is named, recorded, judged and said."""

import json

import numpy as np
import pytest

import edgeopt
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.load import load_onnx, onnx_artifact
from edgeopt.graph.quantization import quantization_state
from edgeopt.workflow.recipe import apply_recipe, recipe_from_tables, recipe_lineage, takes_data

WITHOUT_SAMPLES = [("int8-dynamic", {}), ("int4-weights", {"rounding": "nearest"}), ("fp16", {})]
UNPROVEN = "accuracy is unproven; give samples with `--data`"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("scheme", "options"), WITHOUT_SAMPLES)
def test_nothing_calibrates_and_all_samples_are_judged(task, scripted_times, scheme, options):
    scripted_times()

    result = edgeopt.quantize(task.model, data=task.data, scheme=scheme, **options)

    record = result.as_json()
    assert result.artifact.path == task.folder / f"model.{scheme}.onnx"
    assert record["scheme"]["name"] == scheme
    assert record["calibration"] == {"samples": 0, "source": None}
    assert record["output"]["lineage"]["data"]["samples"] == 0
    assert record["quantized_bytes"] == result.artifact.size_bytes
    assert record["int8_bytes"] is None
    assert result.accuracy.n == 900
    assert result.accuracy.sqnr_db > 10
    assert json.loads(json.dumps(record, allow_nan=False))


@pytest.mark.parametrize(("scheme", "options"), WITHOUT_SAMPLES)
def test_without_data_nothing_is_said_of_random_inputs(task, scheme, options):
    result = edgeopt.quantize(task.model, scheme=scheme, measure=False, **options)

    assert UNPROVEN in result.warnings
    assert not any("random" in warning for warning in result.warnings)


def test_int4_takes_samples_where_there_are_some(task):
    with_data = edgeopt.quantize(task.model, data=task.data, scheme="int4-weights", measure=False)
    without = edgeopt.quantize(task.model, scheme="int4-weights", measure=False, force=True)

    assert with_data.as_json()["calibration"] == {"samples": 200, "source": str(task.data)}
    assert without.as_json()["calibration"] == {"samples": 0, "source": None}
    assert UNPROVEN in without.warnings


def test_gptq_without_data_rests_on_random_inputs_and_says_so(task):
    result = edgeopt.quantize(task.model, scheme="int4-weights", rounding="gptq", measure=False)

    assert result.calibration.source == "random inputs"
    assert any("roundings rest on random inputs" in warning for warning in result.warnings)


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int4-weights", "fp16"])
@pytest.mark.parametrize("prefer", ["size", "latency"])
def test_one_that_is_slower_is_said_loudly_by_its_name(task, scripted_times, scheme, prefer):
    scripted_times(**{f"model.{scheme}": 0.0015})

    result = edgeopt.quantize(task.model, scheme=scheme, prefer=prefer)

    warning = next(warning for warning in result.warnings if "SLOWER" in warning)
    assert warning.startswith(f"{scheme.upper()} IS SLOWER HERE: 1.5")
    assert (result.artifact.sha256 == result.source.sha256) == (prefer == "latency")
    assert result.as_json()["output_is_float"] == (prefer == "latency")


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int4-weights", "fp16"])
def test_a_dry_run_writes_nothing(task, scheme):
    result = edgeopt.quantize(task.model, data=task.data, scheme=scheme, dry_run=True)

    assert result.as_json()["scheme"]["name"] == scheme
    assert names(task.folder) == ["data.npz", "model.onnx"]


@pytest.mark.parametrize(("scheme", "options"), WITHOUT_SAMPLES)
def test_the_record_has_it_whatever_the_data(task, scheme, options):
    store = task.folder / "store"
    first = edgeopt.quantize(task.model, scheme=scheme, measure=False, cache=store, **options)

    again = edgeopt.quantize(
        task.model, data=task.data, scheme=scheme, measure=False, cache=store, force=True, **options
    )

    assert [first.as_json()["steps"][0]["cached"], again.as_json()["steps"][0]["cached"]] == [False, True]
    assert again.artifact.sha256 == first.artifact.sha256


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int4-weights"])
def test_a_model_without_products_is_refused_and_leaves_nothing(small_models, save_model, scheme):
    path = save_model(small_models.padded())

    with pytest.raises(Unsupported, match="no MatMul or Gemm"):
        edgeopt.quantize(path, scheme=scheme, measure=False)

    assert names(path.parent) == ["model.onnx"]


def test_an_option_of_another_scheme_is_refused_before_anything_is_read(task):
    with pytest.raises(InputError, match="`block_size` of quantize says nothing to scheme `fp16`"):
        edgeopt.quantize(task.folder / "model.onnx", scheme="fp16", block_size=64)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"scheme": "int8-dynamic"}, ("dynamic", ("int8",))),
        ({"scheme": "int4-weights", "block_size": 16}, ("weights", ("int4",))),
        ({"scheme": "fp16", "io": "float16"}, ("none", ("float16",))),
    ],
)
def test_a_recipe_makes_it_without_data(small_models, save_model, tmp_path, options, expected):
    source, output = onnx_artifact(save_model(small_models.mlp())), tmp_path / "out.onnx"
    recipe = recipe_from_tables([{"quantize": options}])

    applied = apply_recipe(recipe, source, output, None, seed=0)

    state = quantization_state(load_onnx(output).graph)
    assert (state.kind, state.weights) == expected
    assert "there is no `[data]`: accuracy is unproven" in applied.warnings
    assert recipe_lineage(recipe, source, None, seed=0)["data"] == {}


def test_a_gate_judges_all_samples_where_the_recipe_takes_none(task, scripted_times):
    scripted_times()
    path = task.configured("flip_rate <= 5 %")
    text = path.read_text().replace('{ target = "rpi4" }', '{ scheme = "int8-dynamic" }')
    path.write_text(text)

    record = edgeopt.gate(config=path).as_json()

    assert record["verdict"] == "passed"
    assert record["accuracy"]["n"] == 900
    candidate = next(entry for entry in record["artifacts"] if entry["role"] == "candidate")
    assert candidate["lineage"]["data"] == {}


def test_a_recipe_of_two_steps_takes_data_if_one_does():
    assert not takes_data(recipe_from_tables([{"quantize": {"scheme": "fp16"}}]))
    assert takes_data(recipe_from_tables([{"quantize": {"scheme": "fp16"}}, {"quantize": {}}]))


def test_the_parts_of_data_are_taken_at_their_word(task, scripted_times):
    scripted_times()
    part = np.array(["calibration"] * 300 + ["select"] * 200 + ["confirm"] * 400)
    data = task.with_arrays("parts.npz", part=part)

    result = edgeopt.quantize(task.model, data=data, scheme="fp16")

    assert result.accuracy.n == 400
