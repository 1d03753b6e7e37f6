"""`edgeopt diagnose` through the program: its document, its table, its plots, and what it refuses."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest


@pytest.fixture
def made(folder, small_models, quantize_foreign):
    """`dense.onnx`, `made.onnx` that ONNX Runtime made of it with too small ranges, and `rows.npz`."""
    base = small_models.dense()
    samples = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
    (folder / "dense.onnx").write_bytes(base.SerializeToString())
    quantized = quantize_foreign(base, {"x": 0.2 * samples})
    (folder / "made.onnx").write_bytes(quantized.SerializeToString())
    np.savez(folder / "rows.npz", x=samples)
    for name in ("foreign.onnx", "foreign.int8.onnx"):
        (folder / name).unlink(missing_ok=True)
    return folder


ARGUMENTS = ("diagnose", "dense.onnx", "made.onnx", "--data", "rows.npz", "--samples", "50")


def test_the_document_ranks_the_layers_with_their_reasons(edgeopt, made):
    left = edgeopt(*ARGUMENTS, "--json")

    assert left.code == 0, left.err
    record = left.json
    assert record.keys() >= {
        "schema",
        "environment",
        "artifacts",
        "measurements",
        "layers",
        "candidate_sqnr_db",
        "origin",
    }
    assert {layer["node"] for layer in record["layers"]} == {"first", "second", "third"}
    assert all(reason.keys() == {"cause", "text", "mend"} for layer in record["layers"] for reason in layer["reasons"])
    assert record["samples"] == 50
    assert all(layer["gain_db"] is None for layer in record["layers"])


def test_the_table_says_why_and_what_mends_it(edgeopt, made):
    left = edgeopt(*ARGUMENTS)

    assert left.code == 0, left.err
    assert "why, and what mends it" in left.out
    assert "is clipped" in left.out
    assert "`--range minmax`" in " ".join(left.out.split())


def test_gain_is_measured_when_asked_for(edgeopt, made):
    record = edgeopt(*ARGUMENTS, "--gain", "--json").json

    assert all(isinstance(layer["gain_db"], float) for layer in record["layers"])


def test_the_run_is_recorded_and_shown_again(edgeopt, made):
    edgeopt(*ARGUMENTS, "-q")

    listed = edgeopt("runs", "list", "--json").json["runs"]
    shown = edgeopt("runs", "show", listed[0]["id"])

    assert [run["command"] for run in listed] == ["diagnose"]
    assert "why, and what mends it" in shown.out


@pytest.mark.parametrize(("name", "begins"), [("a.svg", b"<svg "), ("a.png", b"\x89PNG")])
def test_a_plot_is_written(edgeopt, made, name, begins):
    left = edgeopt(*ARGUMENTS, "--plot", name)

    assert left.code == 0, left.err
    assert (made / name).read_bytes().startswith(begins)


def test_no_plot_is_written_over_a_file(edgeopt, made):
    (made / "a.svg").write_text("mine")

    assert edgeopt(*ARGUMENTS, "--plot", "a.svg").code == 2
    assert (made / "a.svg").read_text() == "mine"
    assert edgeopt(*ARGUMENTS, "--plot", "a.svg", "--force").code == 0


def test_a_png_without_pillow_exits_5_before_any_work(edgeopt, made, monkeypatch):
    for module in ("PIL", "PIL.ImageDraw"):
        monkeypatch.setitem(sys.modules, module, None)

    left = edgeopt(*ARGUMENTS, "--plot", "a.png")

    assert (left.code, left.out) == (5, "")
    assert left.errors[1] == "hint: pip install 'edgeopt[images]'"


def qoperator(small_models, quantize_foreign):
    from onnxruntime.quantization import QuantFormat

    samples = {"x": np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)}
    return quantize_foreign(small_models.dense(), samples, quant_format=QuantFormat.QOperator)


def test_the_operator_format_exits_6(edgeopt, made, small_models, quantize_foreign):
    (made / "q.onnx").write_bytes(qoperator(small_models, quantize_foreign).SerializeToString())

    left = edgeopt("diagnose", "dense.onnx", "q.onnx", "--data", "rows.npz")

    assert (left.code, left.out) == (6, "")
    assert "is quantized in the operator format" in left.errors[0]
    assert "quantize/dequantize pairs" in left.errors[1]


def other_weights(folder):
    model = onnx.load(folder / "dense.onnx")
    for tensor in model.graph.initializer:
        array = np.random.default_rng(3).standard_normal(tuple(tensor.dims)).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    (folder / "other.onnx").write_bytes(model.SerializeToString())


# what is named, what the line says, what the hint says
BAD = {
    "not quantized": (("dense.onnx", "dense.onnx", "--data", "rows.npz"), "`dense.onnx` is not quantized", "quantize"),
    "swapped": (
        ("made.onnx", "dense.onnx", "--data", "rows.npz"),
        "BASE `made.onnx` is quantized already",
        "swap the two",
    ),
    "both quantized": (("made.onnx", "made.onnx", "--data", "rows.npz"), "is quantized already", "float model first"),
    "other inputs": (("model.onnx", "made.onnx", "--data", "data.npz"), "has inputs `x` (?x8 float)", "made from"),
    "other weights": (
        ("other.onnx", "made.onnx", "--data", "rows.npz"),
        "was not made from BASE `other.onnx`",
        "compare",
    ),
    "no data": (("dense.onnx", "made.onnx"), "Missing option '--data'", "edgeopt diagnose --help"),
    "missing data": (("dense.onnx", "made.onnx", "--data", "no.npz"), "data `no.npz` does not exist", ""),
    "data of another model": (("dense.onnx", "made.onnx", "--data", "data.npz"), "the model takes 8", "inspect"),
    "missing model": (("dense.onnx", "no.onnx", "--data", "rows.npz"), "model `no.onnx` does not exist", ""),
    "no samples": ((*ARGUMENTS[1:-1], "0"), "0 is not in the range", "--help"),
    "plot of no kind": ((*ARGUMENTS[1:], "--plot", "a.jpg"), "`a.jpg` ends in neither `.svg` nor `.png`", ".svg"),
    "plot in no folder": ((*ARGUMENTS[1:], "--plot", "no/a.svg"), "the folder of output `no/a.svg`", "mkdir"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_in_one_line_a_hint_and_exit_2(edgeopt, made, case):
    arguments, message, hint = BAD[case]
    other_weights(made)
    before = sorted(path.name for path in made.iterdir())

    left = edgeopt("diagnose", *arguments)

    assert (left.code, left.out) == (2, "")
    line, advice = left.errors
    assert message in line
    assert hint in advice
    assert sorted(path.name for path in made.iterdir()) == before
