"""Views of records: what a person must find in them, from the JSON alone."""

import pytest

from edgeopt.report.text import VIEWS, print_view

HOSTILE = "\x1b]0;owned\x07"


def artifact(name, size=1000, **more):
    spec = {"name": "x", "shape": ["batch", 3, ""], "dtype": "float32"}
    return {
        "path": f"models/{name}",
        "format": "onnx",
        "sha256": "0123456789abcdef" * 4,
        "size_bytes": size,
        "inputs": [spec],
        "outputs": [{**spec, "name": "y"}],
        **more,
    }


COST = {
    "macs": 12_501_632,
    "parameters": 78_666,
    "weight_bytes": 314_664,
    "activation_peak_bytes": 81_920,
    "unknown": [],
}
INSPECTED = {
    "artifact": artifact("model.onnx", 320_000),
    "opsets": {"ai.onnx": 17},
    "cost": COST,
    "operators": {"Conv": 9, "Relu": 7},
    "quantization": {"kind": "none"},
    "fit": None,
}
COMPARISON = {"ratio": 1.76, "ci95": [1.7, 1.82], "verdict": "faster"}
LATENCY = {
    "baseline": {"p50": 0.000234, "p90": 0.00025, "origin": "host"},
    "candidate": {"p50": 0.000133, "p90": 0.00014, "origin": "host"},
    "comparison": COMPARISON,
}
ACCURACY = {
    "metric": "accuracy",
    "baseline": 0.913,
    "candidate": 0.911,
    "difference": -0.002,
    "difference_pt": -0.2,
    "ci95": [-0.9, 0.5],
    "n": 800,
    "flips": 12,
    "flip_rate": 0.015,
    "sqnr_db": 24.6,
    "verdict": "undecided",
}
QUANTIZED = {
    "input": artifact("model.onnx", 320_000),
    "output": artifact("model.int8.onnx", 100_000),
    "output_is_float": False,
    "int8_bytes": 100_000,
    "scheme": {
        "activations": "uint8",
        "weights": "int8",
        "weight_bits": 8,
        "per_channel": True,
        "target": "host",
        "reason": "x86-64 with VNNI multiplies unsigned by signed bytes",
    },
    "calibration": {"samples": 200, "source": "eval.npz"},
    "kept_float": [{"node": "/softmax", "reason": "no kernel"}],
    "accuracy": ACCURACY,
    "latency": LATENCY,
}
ROW = {
    "artifact": "ab",
    "path": "models/model.onnx",
    "target": "host",
    "runtime": "onnxruntime",
    "threads": 2,
    "batch": 4,
    "origin": "host",
    "energy": None,
    "instructions": None,
    "latency": {"p50": 0.000234, "p90": 0.00025, "ci95": [0.00023, 0.00024], "unit": "s"},
    "load": {"value": 0.012, "unit": "s"},
    "throughput": {"value": 17_094.0, "unit": "1/s"},
    "memory": {"value": 61_000_000, "model": 9_000_000, "unit": "B"},
}
METRIC = {"value": 0.913, "ci95": [0.894, 0.929], "n": 800, "unit": "1", "origin": "host"}
RULE = {
    "rule": "size <= 200 KB",
    "verdict": "passed",
    "value": 100_000,
    "limit": 200_000,
    "unit": "B",
    "origin": "host",
    "reason": "held to a plain tolerance",
}


@pytest.fixture
def shown(capsys):
    """The text of a view, as a pipe sees it, with runs of blanks made one."""

    def show(name, record):
        print_view(name, record)
        out = capsys.readouterr().out
        assert all(line == line.rstrip() for line in out.splitlines())
        assert "\x1b" not in out
        return " ".join(out.split())

    return show


def test_inspect_tells_what_a_model_costs(shown):
    text = shown("inspect", INSPECTED)

    for part in (
        *(
            "models/model.onnx (320 KB, sha256 0123456789ab)",
            "x batch x 3 x ? float32",
            "ai.onnx 17",
            "12.5 M",
            "78.7 k",
        ),
        *("315 KB", "81.9 KB at the peak, batch 1", "9 Conv, 7 Relu", "none (float)"),
    ):
        assert part in text


def test_inspect_tells_how_a_model_is_quantized(shown):
    state = {"kind": "qdq", "activations": ["uint8"], "weights": ["int8"], "is_per_channel": True}

    text = shown("inspect", {**INSPECTED, "quantization": {**state, "quantized": 9, "total": 10}})

    assert "qdq, uint8/int8, per channel: 9 of 10 weighted nodes" in text


def test_inspect_says_that_unknown_macs_make_lower_bounds(shown):
    record = {**INSPECTED, "cost": {**COST, "unknown": ["a", "b"]}}

    assert "figures are lower bounds: the MACs of 2 nodes are not known" in shown("inspect", record)


def test_quantize_tells_what_was_made_and_how_it_compares(shown):
    text = shown("quantize", QUANTIZED)

    for part in (
        *(
            "models/model.int8.onnx",
            "uint8 activations, int8 weights of 8 bits, per channel, for host",
            "200 samples of",
        ),
        *("/softmax (no kernel)", "320 KB 100 KB 3.20x smaller", "234 µs 133 µs faster (1.76x, 95 %: 1.70 to 1.82)"),
        *("91.3 % 91.1 % -0.20 pt (95 %: -0.90 to +0.50), undecided", "12 1.5 % of predictions changed", "24.6 dB"),
    ):
        assert part in text


def test_quantize_shortens_a_long_list_of_what_stayed_float(shown):
    kept = [{"node": f"node{index}", "reason": "no kernel"} for index in range(30)]

    text = shown("quantize", {**QUANTIZED, "kept_float": kept})

    assert "and 22 more (--json lists all)" in text


def test_quantize_without_measuring_tells_sizes(shown):
    text = shown("quantize", {**QUANTIZED, "accuracy": None, "latency": None, "kept_float": []})

    assert "3.20x smaller" in text
    assert "latency" not in text
    assert "kept float nothing" in text


def test_quantize_on_a_dry_run_says_so(shown):
    assert "dry run nothing was written" in shown("quantize", {**QUANTIZED, "output": None})


def test_bench_tells_a_line_per_model_and_the_comparison(shown):
    rows = [ROW, {**ROW, "path": "models/new.onnx"}]

    text = shown("bench", {"runs": rows, "comparisons": [COMPARISON]})

    for part in (
        *("model.onnx 234 µs 230 µs to 240 µs 250 µs 17.1 k 12.0 ms 61.0 MB host", "onnxruntime, 2 threads, batch 4"),
        *("new.onnx", "faster (1.76x, 95 %: 1.70 to 1.82)"),
    ):
        assert part in text


def test_evaluate_tells_metrics_with_intervals_whole_and_per_slice(shown):
    record = {
        "artifacts": [artifact("model.onnx")],
        "metrics": {
            "accuracy": METRIC,
            "mse": {**METRIC, "value": 0.01234, "ci95": [0.011, 0.0135]},
            "log_loss": {**METRIC, "value": 1.793, "ci95": [1.7, 1.9]},
            "mine.py:metric": {**METRIC, "value": 3.5, "ci95": [3, 4]},
        },
        "slices": [{"column": "room", "value": "hall", "metrics": {"accuracy": METRIC}}],
        "predictions": {"path": "p.npz", "sha256": "ab"},
    }

    text = shown("evaluate", record)

    for part in (
        "accuracy 91.3 % 89.4 % to 92.9 % 800",
        "mse 0.01234 0.011 to 0.0135 800",
        "log_loss 1.793 1.7 to 1.9",
        "mine.py:metric 3.5 3 to 4 800",
        "room=hall accuracy 91.3 %",
        "predictions: p.npz",
    ):
        assert part in text


def test_compare_tells_the_difference_and_the_verdict(shown):
    text = shown("compare", ACCURACY)

    assert "accuracy, 800 samples 91.3 % 91.1 % -0.20 pt (95 %: -0.90 to +0.50), undecided" in text
    assert text.endswith("verdict: undecided")


def test_compare_of_an_error_tells_it_in_its_own_unit(shown):
    error = {"metric": "mse", "baseline": 0.5, "candidate": 0.6, "difference": 0.1, "difference_pt": None}

    text = shown("compare", {**ACCURACY, **error, "ci95": [0.05, 0.15], "flips": None, "sqnr_db": None})

    assert "mse, 800 samples 0.5 0.6 +0.1 (95 %: +0.05 to +0.15)" in text


def test_compare_without_labels_tells_flips(shown):
    text = shown("compare", {**ACCURACY, "metric": None, "baseline": None, "difference": None})

    assert "12 1.5 % of predictions changed" in text


@pytest.mark.parametrize("verdict", ["passed", "failed", "undecided", "waived"])
def test_gate_tells_every_rule_and_the_verdict(shown, verdict):
    record = {"artifacts": [], "rules": [{**RULE, "verdict": verdict}], "verdict": "failed"}

    text = shown("gate", record)

    assert f"size <= 200 KB {verdict} 100 KB 200 KB host held to a plain tolerance" in text
    assert text.endswith("gate: failed")


def test_gate_tells_both_models_where_they_were_measured(shown):
    both = [artifact("a.onnx", 320_000, role="baseline"), artifact("b.onnx", 100_000, role="candidate")]

    text = shown(
        "gate", {"artifacts": both, "rules": [RULE], "verdict": "passed", "latency": LATENCY, "accuracy": ACCURACY}
    )

    assert "3.20x smaller" in text
    assert "faster (1.76x" in text


def test_a_rule_without_a_figure_has_empty_cells(shown):
    rule = {**RULE, "verdict": "undecided", "value": None, "limit": None, "origin": None, "reason": "not measured"}

    assert "size <= 200 KB undecided not measured" in shown(
        "gate", {"artifacts": [], "rules": [rule], "verdict": "undecided"}
    )


def test_doctor_tells_the_line_that_mends(shown):
    check = {"name": "[torch]", "state": "missing", "detail": "to convert", "mend": "pip install 'edgeopt[torch]'"}

    assert "[torch] missing to convert pip install 'edgeopt[torch]'" in shown("doctor", {"checks": [check]})


def test_init_tells_what_was_written_and_what_is_next(shown):
    assert "written edgeopt.toml next edgeopt gate" in shown(
        "init", {"written": ["edgeopt.toml"], "next": "edgeopt gate"}
    )
    assert "nothing was written" in shown("init", {"written": [], "next": "edgeopt gate"})


def test_names_of_hostile_models_are_made_harmless(shown):
    hostile = artifact(f"{HOSTILE}[bold red]model.onnx")
    hostile["inputs"][0] = {**hostile["inputs"][0], "name": f"x{HOSTILE}"}

    text = shown("inspect", {**INSPECTED, "artifact": hostile, "operators": {f"Conv{HOSTILE}": 1}})

    assert "\x07" not in text
    assert "[bold red]model.onnx" in text


def test_a_terminal_gets_colour(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")

    print_view("gate", {"artifacts": [], "rules": [RULE], "verdict": "passed"})

    assert "\x1b[" in capsys.readouterr().out


def test_every_command_that_answers_has_a_view():
    assert {"inspect", "quantize", "bench", "evaluate", "compare", "gate", "targets", "doctor", "init"} <= set(VIEWS)
