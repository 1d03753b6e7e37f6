"""Recipes: from their tables, and applied in turn."""

import pytest

from edgeopt.errors import InputError
from edgeopt.graph.load import load_onnx, onnx_artifact
from edgeopt.graph.quantization import quantization_state
from edgeopt.graph.tflite.read import tflite_artifact
from edgeopt.steps.quantize.step import Quantize
from edgeopt.workflow import recipe
from edgeopt.workflow.recipe import apply_recipe, ending_of, recipe_from_tables, recipe_lineage
from edgeopt.workflow.step_cache import step_options


def test_tables_become_steps_in_order():
    tables = [{"quantize": {}}, {"quantize": {"target": "rpi4", "per_channel": False}}]

    assert recipe_from_tables(tables) == (Quantize(), Quantize(target="rpi4", per_channel=False))


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ({"quantise": {}}, r"unknown step `quantise` in \[recipe\]", "did you mean `quantize`?"),
        ({"quantize": {"schem": "int8"}}, "step `quantize` has no option `schem`", "did you mean `scheme`?"),
        ({"quantize": {"scheme": "int2"}}, "`scheme` of quantize is `int2`", "int8"),
        ({"quantize": {"per_channel": 1}}, "`per_channel` of quantize is `1`", "true or false"),
    ],
)
def test_a_step_or_an_option_that_is_not_known_is_refused(table, message, hint):
    with pytest.raises(InputError, match=message) as caught:
        recipe_from_tables([table])

    assert hint in caught.value.hint


def test_a_recipe_of_no_steps_copies_the_model(small_models, save_model, tmp_path):
    source = save_model(small_models.mlp())

    applied = apply_recipe((), onnx_artifact(source), tmp_path / "out.onnx", None, seed=0)

    assert (tmp_path / "out.onnx").read_bytes() == source.read_bytes()
    assert applied.warnings == ("there is no `[data]`: accuracy is unproven",)


def test_a_recipe_of_no_steps_reads_in_what_lies_beside_the_model(save_external, tmp_path, monkeypatch):
    source = onnx_artifact(save_external("weights.bin"))
    output = tmp_path / "elsewhere" / "out.onnx"
    output.parent.mkdir()

    apply_recipe((), source, output, None, seed=0)

    assert [path.name for path in output.parent.iterdir()] == ["out.onnx"]
    assert load_onnx(output).graph.initializer == load_onnx(source.path).graph.initializer
    monkeypatch.setattr(recipe, "_LARGEST_FILE_BYTES", 100)
    with pytest.raises(InputError, match="do not fit into one ONNX file"):
        apply_recipe((), source, output, None, seed=0)


def test_a_recipe_replaces_an_older_result(small_models, save_model, tmp_path):
    source, output = save_model(small_models.mlp()), tmp_path / "out.onnx"
    output.write_text("older")

    apply_recipe((Quantize(target="rpi4"),), onnx_artifact(source), output, None, seed=0)

    assert quantization_state(load_onnx(output).graph).kind == "qdq"


def test_a_recipe_that_fails_leaves_the_older_result(small_models, save_model, tmp_path):
    source, output = save_model(small_models.mlp()), tmp_path / "out.onnx"
    output.write_text("older")
    twice = (Quantize(target="rpi4"), Quantize(target="rpi4"))

    with pytest.raises(InputError, match="is quantized already"):
        apply_recipe(twice, onnx_artifact(source), output, None, seed=0)

    assert output.read_text() == "older"


def test_the_lineage_of_one_step_names_it_and_of_several_lists_them(small_models, save_model):
    source = onnx_artifact(save_model(small_models.mlp()))
    step = Quantize(target="rpi4")
    options = step_options(step)

    assert options.items() >= {"scheme": "auto", "per_channel": True, "target": "rpi4", "range": "auto"}.items()
    assert recipe_lineage((step,), source, None, seed=3) == {
        "parent": source.sha256,
        "step": "quantize",
        "options": options,
        "data": {},
        "seed": 3,
    }
    assert recipe_lineage((step, step), source, None, seed=3)["step"] == "recipe"
    assert recipe_lineage((step, step), source, None, seed=3)["options"] == {"steps": [{"quantize": options}] * 2}


def test_a_recipe_may_end_in_another_format(small_models, save_model, tmp_path):
    source, output = save_model(small_models.padded()), tmp_path / "out.tflite"
    steps = recipe_from_tables([{"simplify": {}}, {"convert": {"to": "tflite"}}])

    applied = apply_recipe(steps, onnx_artifact(source), output, None, seed=0)

    assert ending_of(steps, onnx_artifact(source)) == ".tflite"
    assert [step.step for step in applied.steps] == ["simplify", "convert"]
    assert [spec.name for spec in tflite_artifact(output).inputs] == ["image"]
    assert applied.steps[1].report.details["proof"]["outputs"]


def test_a_recipe_of_no_steps_keeps_the_ending(small_models, save_model):
    assert ending_of((), onnx_artifact(save_model(small_models.mlp()))) == ".onnx"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "onnx"}, "`to` of convert is `onnx`"),
        ({"io": "int4"}, "`io` of convert is `int4`"),
        ({"inputs": "image=1x3"}, "`inputs` of convert is `image=1x3`"),
        ({"via_timeout": 0}, "`via_timeout` of convert is `0`"),
        ({"via": "onnx2tf", "layout": "nhwc"}, "do not go with `via = onnx2tf`"),
    ],
)
def test_options_of_convert_are_checked_before_anything_runs(options, message):
    with pytest.raises(InputError, match=message):
        recipe_from_tables([{"convert": options}])


@pytest.mark.parametrize("later", ["simplify", "quantize", "convert"])
def test_a_step_behind_a_conversion_is_refused_before_anything_runs(later):
    with pytest.raises(InputError, match=f"`{later}` follows `convert`, which ends in `.tflite`") as caught:
        recipe_from_tables([{"quantize": {}}, {"convert": {}}, {later: {}}])

    assert caught.value.hint == "put `convert` last in [recipe]"


def test_a_step_without_options_says_so():
    with pytest.raises(InputError, match="`simplify` has no option `a`") as caught:
        recipe_from_tables([{"simplify": {"a": 1}}])

    assert caught.value.hint == "`simplify` has none: write { simplify = {} }"
