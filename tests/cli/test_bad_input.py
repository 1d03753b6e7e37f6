"""Bad input ends in one clear line, a hint and exit 2, with nothing half-written."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.small_tflite import SmallTflite

QUANTIZE = ("quantize", "model.onnx", "--no-measure")
EVALUATE = ("evaluate", "model.onnx", "--data")


def arrays(name, **changes):
    """Writes the data of the task, some of its arrays changed or left out."""

    def write():
        with np.load("data.npz") as archive:
            kept = {**archive, **changes}
        np.savez(name, **{key: array for key, array in kept.items() if array is not None})

    return write


def text(name, content):
    return lambda: Path(name).write_text(content)


def truncated():
    Path("cut.onnx").write_bytes(Path("model.onnx").read_bytes()[:150])


def small_tflite(name, *, kept=None, build="mlp"):
    return lambda: Path(name).write_bytes(getattr(SmallTflite(), build)().content()[:kept])


def with_nan():
    with np.load("data.npz") as archive:
        samples = archive["x"].copy()
    samples[7, 1] = np.nan
    arrays("nan.npz", x=samples)()


def nothing():
    pass


def rules(*listed, name="own.toml", more=""):
    content = 'schema = 1\n[model]\npath = "model.onnx"\n[data]\npath = "data.npz"\n[gate]\nrules = %s\n%s'
    return text(name, content % (json.dumps(listed), more))


GATE = ("gate", "--config", "own.toml")
# what is written before, the arguments, what the line says, what the hint says
CASES = {
    "missing model": (nothing, ("inspect", "nowhere.onnx"), "model `nowhere.onnx` does not exist", "model.onnx"),
    "truncated TFLite model": (
        small_tflite("cut.tflite", kept=-300),
        ("bench", "cut.tflite"),
        "`cut.tflite` is a damaged TFLite file",
        "complete",
    ),
    "text named .tflite": (
        text("t.tflite", "hello, model"),
        ("inspect", "t.tflite"),
        "`t.tflite` is not a TFLite model",
        "complete",
    ),
    "data of another shape for a TFLite model": (
        lambda: (small_tflite("m.tflite")(), arrays("wide.npz", x=np.zeros((900, 4)))()),
        ("evaluate", "m.tflite", "--data", "wide.npz"),
        "has samples of shape 4, the model takes 3",
        "edgeopt inspect",
    ),
    "empty model": (text("empty.onnx", ""), ("inspect", "empty.onnx"), "`empty.onnx` is empty (0 bytes)", "download"),
    "truncated model": (
        truncated,
        ("quantize", "cut.onnx"),
        "`cut.onnx` is not an ONNX model, or is cut off",
        "complete",
    ),
    "text named .onnx": (
        text("t.onnx", "hello, model"),
        ("bench", "t.onnx"),
        "`t.onnx` is not an ONNX model",
        "export",
    ),
    "web page named .onnx": (text("w.onnx", "<!DOCTYPE html>"), ("inspect", "w.onnx"), "is an HTML page", "download"),
    "folder as model": (lambda: Path("d.onnx").mkdir(), ("inspect", "d.onnx"), "is not a regular file", "a file"),
    "no model ending": (text("m.txt", "x"), ("inspect", "m.txt"), "`m.txt` has no known model ending", ".onnx"),
    "missing data": (nothing, (*QUANTIZE, "--data", "no.npz"), "data `no.npz` does not exist", "data.npz"),
    "empty data": (text("e.npz", ""), (*EVALUATE, "e.npz"), "data `e.npz` is empty", "again"),
    "text named .npz": (text("t.npz", "hello"), (*EVALUATE, "t.npz"), "data `t.npz` cannot be read", "numpy.savez"),
    "data of no known kind": (text("d.bin", "x"), (*EVALUATE, "d.bin"), "data `d.bin` is of no known kind", ".npz"),
    "wrong input name": (
        arrays("n.npz", x=None, picture=np.zeros((900, 3)), mask=np.zeros((900, 3))),
        (*QUANTIZE, "--data", "n.npz"),
        "data `n.npz` has no array for model input `x`",
        "name the array `x`",
    ),
    "wrong shape": (
        arrays("s.npz", x=np.zeros((900, 8), np.float32)),
        (*QUANTIZE, "--data", "s.npz"),
        "`x` of `s.npz` has samples of shape 8, the model takes 3",
        "edgeopt inspect",
    ),
    "labels out of range": (
        arrays("l.npz", y=np.full(900, 9)),
        (*EVALUATE, "l.npz"),
        "label `9` of sample 0 in `l.npz` is no class: the model has 2 classes (0 to 1)",
        "",
    ),
    "labels out of range for quantize": (
        arrays("l.npz", y=np.full(900, 9)),
        ("quantize", "model.onnx", "--data", "l.npz"),
        "label `9` of sample",
        "",
    ),
    "negative labels": (arrays("l.npz", y=np.full(900, -1)), (*EVALUATE, "l.npz"), "label `-1`", ""),
    "NaN in the data": (
        with_nan,
        (*QUANTIZE, "--data", "nan.npz"),
        "NaN or infinity in 1 of 900 samples",
        "drop or mend",
    ),
    "zero samples": (
        arrays("z.npz", x=np.zeros((0, 3), np.float32), y=np.zeros(0, int), room=None),
        (*QUANTIZE, "--data", "z.npz"),
        "data `z.npz` holds zero samples",
        "at least one",
    ),
    "zero samples asked for": (
        nothing,
        (*QUANTIZE, "--data", "data.npz", "--samples", "0"),
        "at least one sample",
        "200",
    ),
    "unequal lengths": (
        arrays("u.npz", y=np.zeros(5, int)),
        (*EVALUATE, "u.npz"),
        "`y` has 5 rows where `x` has 900",
        "row",
    ),
    "unknown target": (nothing, (*QUANTIZE, "--target", "rpi44"), "unknown target `rpi44`", "`rpi4`"),
    "unknown target of bench": (
        nothing,
        ("bench", "model.onnx", "--target", "rpi44"),
        "unknown target `rpi44`",
        "`rpi4`",
    ),
    "unknown target to show": (nothing, ("targets", "show", "rpi44"), "unknown target `rpi44`", "`rpi4`"),
    "output in no folder": (nothing, (*QUANTIZE, "-o", "no/out.onnx"), "folder of output `no/out.onnx`", "mkdir -p"),
    "output is a folder": (
        lambda: Path("o.onnx").mkdir(),
        (*QUANTIZE, "-o", "o.onnx"),
        "`o.onnx` is a folder",
        "name a file",
    ),
    "output under a file": (nothing, (*QUANTIZE, "-o", "data.npz/o.onnx"), "output `data.npz/o.onnx`", ""),
    "output exists": (text("out.onnx", "mine"), (*QUANTIZE, "-o", "out.onnx"), "output `out.onnx` exists", "--force"),
    "output of another format": (nothing, (*QUANTIZE, "-o", "out.tflite"), "does not end in `.onnx`", ".onnx"),
    "predictions exist": (
        text("p.npz", "mine"),
        (*EVALUATE, "data.npz", "--predictions", "p.npz"),
        "output `p.npz` exists",
        "--force",
    ),
    "benchmark file exists": (
        text("b.json", "mine"),
        ("bench", "model.onnx", "--benchmark-json", "b.json"),
        "output `b.json` exists",
        "--force",
    ),
    "configuration exists": (nothing, ("init", "model.onnx"), "output `edgeopt.toml` exists", "--force"),
    "no prediction file": (
        text("p.npz", "hello"),
        ("compare", "p.npz", "model.onnx", "--data", "data.npz"),
        "predictions `p.npz` are not in an .npz file",
        "evaluate",
    ),
    "compare without data": (nothing, ("compare", "model.onnx", "model.onnx"), "samples are needed", "--data"),
    "shape without numbers": (nothing, ("bench", "model.onnx", "--shape", "x=axb"), "`x=axb` is not like", "--help"),
    "shape of no input": (nothing, ("bench", "model.onnx", "--shape", "z=1x3"), "no model has that input", "x"),
    "more threads than cores": (nothing, ("bench", "model.onnx", "--threads", "9999"), "`--threads 9999`", ""),
    "one process": (nothing, ("bench", "model.onnx", "--processes", "1"), "an interval needs at least 2", ""),
    "unknown runtime": (
        nothing,
        ("bench", "model.onnx", "--runtime", "onnx-runtime"),
        "unknown runtime `onnx-runtime`",
        "onnxruntime",
    ),
    "unknown metric": (nothing, (*EVALUATE, "data.npz", "--metric", "acuracy"), "no metric `acuracy`", "`accuracy`"),
    "metric that does not suit": (
        nothing,
        (*EVALUATE, "data.npz", "--metric", "mse"),
        "`mse` cannot be computed",
        "accuracy",
    ),
    "mean that is no number": (
        nothing,
        (*EVALUATE, "data.npz", "--mean", "a,b"),
        "`a,b` is not a list of numbers",
        "--help",
    ),
    "std of zero": (nothing, (*EVALUATE, "data.npz", "--std", "0"), "`std` is `0.0`", "above 0"),
    "unknown node to keep float": (
        nothing,
        (*QUANTIZE, "--keep-float", "nowhere"),
        "the model has no node `nowhere` to keep float",
        "",
    ),
    "budget without labels": (
        arrays("unlabelled.npz", y=None),
        (*QUANTIZE, "--data", "unlabelled.npz", "--max-drop", "1"),
        "`--max-drop` needs labels of classes",
        "cannot be told",
    ),
    "option of another scheme": (
        nothing,
        (*QUANTIZE, "--scheme", "fp16", "--range", "mse"),
        "`range` of quantize says nothing to scheme `fp16`",
        "leave it out",
    ),
    "unknown command": (nothing, ("quantise", "model.onnx"), "unknown command `quantise`", "`quantize`"),
    "unknown option": (nothing, ("inspect", "model.onnx", "--targt", "x"), "No such option", "edgeopt inspect --help"),
    "unknown choice": (
        nothing,
        ("quantize", "model.onnx", "--scheme", "int3"),
        "'int3' is not one of",
        "quantize --help",
    ),
    "missing argument": (nothing, ("inspect",), "Missing argument 'MODEL'", "edgeopt inspect --help"),
    "missing configuration": (nothing, ("gate", "--config", "no.toml"), "configuration `no.toml` does not exist", ""),
    "configuration is no TOML": (text("own.toml", "= 3"), GATE, "`own.toml` is not TOML", "edgeopt init"),
    "unknown key": (
        text("own.toml", "schema = 1\n[modle]"),
        GATE,
        "unknown key `modle`, did you mean `model`?",
        "docs",
    ),
    "unknown metric in a rule": (rules("accuraci >= 1 %"), GATE, "unknown metric `accuraci`", "`accuracy`"),
    "wrong unit in a rule": (rules("size <= 3 ms"), GATE, "unit `s` does not fit", "`B`"),
    "unknown target in a rule": (rules("size <= 3 KB @ rpi44"), GATE, "unknown target `rpi44`", "`rpi4`"),
    "unknown column in a rule": (rules("slice(a).f1 >= 1 %"), GATE, "has no column `a`", "room"),
    "no rules": (rules(), GATE, "there is no rule to judge", "[gate]"),
    "unknown step": (
        rules("size <= 1 MB", more="[recipe]\nsteps = [{ prun = {} }]"),
        GATE,
        "unknown step `prun`",
        "quantize",
    ),
    "accept without a file": (nothing, ("gate", "--accept"), "`--accept` has no file to write", "baseline ="),
    "missing run": (nothing, ("gate", "no.json", "--rule", "size <= 1 KB"), "run `no.json` does not exist", ""),
    "run is no JSON": (text("r.json", "{"), ("gate", "r.json", "--rule", "size <= 1 KB"), "`r.json` is not JSON", ""),
    "run is none": (text("r.json", "[]"), ("gate", "r.json"), "`r.json` is not a run of edgeopt", "--json"),
}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES)
def test_it_ends_in_one_line_a_hint_and_exit_2(edgeopt, folder, case):
    write, arguments, message, hint = CASES[case]
    write()
    before = contents(folder)

    left = edgeopt(*arguments)

    assert (left.code, left.out) == (2, "")
    line, advice = left.errors
    assert line.startswith("error: ")
    assert advice.startswith("hint: ")
    assert message in line
    assert hint in advice
    assert contents(folder) == before


@pytest.mark.parametrize("case", ["missing model", "labels out of range", "unknown command", "no rules"])
def test_with_json_the_failure_is_the_one_document_on_stdout(edgeopt, folder, case):
    write, arguments, message, hint = CASES[case]
    write()

    left = edgeopt(*arguments, "--json")

    assert left.json.keys() == {"error"}
    assert left.json["error"].keys() == {"code", "message", "hint"}
    assert (left.code, left.json["error"]["code"]) == (2, 2)
    assert message in left.json["error"]["message"]
    assert hint in left.json["error"]["hint"]


@pytest.mark.parametrize("case", ["text named .onnx", "output exists", "unknown option"])
def test_a_shell_sees_the_same(edgeopt_process, folder, case):
    write, arguments, message, _ = CASES[case]
    write()

    left = edgeopt_process(*arguments, cwd=folder)

    assert (left.code, left.out) == (2, "")
    assert message in left.err.splitlines()[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to every folder")
def test_a_folder_that_is_not_ours_is_no_place_for_an_output(edgeopt, folder):
    (folder / "theirs").mkdir(mode=0o500)

    left = edgeopt(*QUANTIZE, "-o", "theirs/out.onnx")

    assert left.code == 2
    assert "`theirs` is not writable" in left.err


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("bench", "model.onnx", "--target", "x86-64-avx2"), "no measurements to estimate `x86-64-avx2` from", "rpi4"),
        (
            ("bench", "model.onnx", "--target", "rpi4", "--threads", "2"),
            "no measurements of `rpi4` with any runtime, float32 or float16, 2 threads",
            "with data: rpi4: litert-2.7.1, float32, 4 threads",
        ),
        (("bench", "model.onnx", "--target", "rpi4", "--runtime", "onnxruntime"), "with onnxruntime", "ncnn"),
        (("bench", "model.onnx", "--target", "rpi4", "--soak", "1min"), "`--soak` needs measurements", "--target host"),
        (("bench", "model.onnx", "--target", "rpi4", "--batch", "2"), "`--batch` is not estimated", "one sample"),
        (("bench", "model.onnx", "--target", "rpi5", "--metric", "energy"), "no power was measured", "rpi4: litert"),
        (("bench", "model.onnx", "--target", "rpi4", "--benchmark-json", "b.json"), "an estimate has none", "--json"),
        (("bench", "model.onnx", "--metric", "energy"), "`energy` cannot be measured here yet", "--metric latency"),
        (
            ("evaluate", "model.onnx", "--data", "data.npz", "--target", "rpi4"),
            "there is no accuracy for `rpi4` yet",
            "rpi4",
        ),
        (("inspect", "model.h5"), "is a Keras or TensorFlow model", "ONNX"),
        (
            ("evaluate", "custom.tflite", "--data", "data.npz"),
            "no kernel for an operator of `custom.tflite`",
            "inspect",
        ),
        (("bench", "custom.tflite"), "no kernel for an operator of `custom.tflite`", "inspect"),
        (("bench", "model.onnx", "--runtime", "litert"), "`litert` does not run onnx files", "`onnxruntime`"),
        (("quantize", "custom.tflite"), "`quantize` works on ONNX models", "edgeopt convert"),
    ],
)
def test_what_is_not_supported_ends_in_exit_6(edgeopt, folder, arguments, message, hint):
    (folder / "model.h5").write_text("x")
    small_tflite("custom.tflite", build="custom")()

    left = edgeopt(*arguments)

    assert (left.code, left.out) == (6, "")
    assert message in left.errors[0]
    assert hint in left.errors[1]


def test_an_extra_that_is_missing_ends_in_exit_5_with_its_pip_line(edgeopt, folder, small_models, monkeypatch):
    (folder / "images" / "one").mkdir(parents=True)
    (folder / "images" / "one" / "a.png").write_bytes(b"x")
    (folder / "conv.onnx").write_bytes(small_models.conv().SerializeToString())
    for module in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, module, None)

    left = edgeopt("evaluate", "conv.onnx", "--data", "images")

    assert left.code == 5
    assert left.errors[1] == "hint: pip install 'edgeopt[images]'"


@pytest.mark.parametrize("arguments", [("evaluate", "m.tflite", "--data", "data.npz"), ("bench", "m.tflite")])
def test_without_litert_a_tflite_model_ends_in_exit_5_with_the_pip_line(edgeopt, folder, monkeypatch, arguments):
    small_tflite("m.tflite")()
    (folder / "ai_edge_litert.py").write_text("raise ModuleNotFoundError('no such module', name='ai_edge_litert')")
    monkeypatch.setenv("PYTHONPATH", str(folder))  # for the processes that measure
    for module in [name for name in sys.modules if name.partition(".")[0] == "ai_edge_litert"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)

    left = edgeopt(*arguments)

    assert left.code == 5
    assert left.errors[-1] == "hint: pip install 'edgeopt[tflite]'"


def test_inspect_shows_a_tflite_model_and_escapes_what_its_names_hide(edgeopt, folder):
    small = SmallTflite.custom()
    small.operators[0].custom = "Evil\x1b[31m\nrm"
    Path("custom.tflite").write_bytes(small.content())
    small_tflite("int8.tflite", build="quantized")()

    custom, quantized = edgeopt("inspect", "custom.tflite"), edgeopt("inspect", "int8.tflite")

    assert custom.code == quantized.code == 0
    assert "\x1b" not in custom.out
    assert "custom.Evil" in custom.out
    assert "? x 3  int8 (scale 0.5, zero point -3)" in quantized.out
    assert "integer, int8/int8, per channel: 1 of 1 weighted nodes" in quantized.out


def test_a_process_that_crashes_ends_in_exit_7(edgeopt, folder, monkeypatch):
    from edgeopt.errors import ToolFailed
    from edgeopt.measure import latency

    def crash(job, **_options):
        raise ToolFailed(f"{job.runtimes[0]} crashed on `{job.models[0]}` (SIGSEGV)", hint="run it alone")

    monkeypatch.setattr(latency, "run_job", crash)

    left = edgeopt("quantize", "model.onnx")

    assert (left.code, left.errors) == (
        7,
        ["error: onnxruntime crashed on `model.onnx` (SIGSEGV)", "hint: run it alone"],
    )


def test_an_interruption_ends_in_130_and_leaves_nothing(edgeopt, folder, monkeypatch):
    from edgeopt.steps.quantize.observation import kept as observation_file

    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    before = contents(folder)
    monkeypatch.setattr(observation_file, "observe", interrupt)

    left = edgeopt(*QUANTIZE)

    assert (left.code, left.errors[-1]) == (130, "error: interrupted")
    assert contents(folder) == before
