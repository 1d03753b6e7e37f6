"""The few figures that a list of runs shows."""

import pytest

from edgeopt.store.headline import headline

MEASURED = {"measurements": [{"origin": "host"}]}


def figures(record):
    return [(f["name"], f["value"], f["unit"], f["origin"]) for f in headline({**MEASURED, **record})["figures"]]


def test_quantize_has_size_speed_and_accuracy():
    record = {
        "command": "quantize",
        "output": {"size_bytes": 107_000},
        "latency": {"comparison": {"ratio": 1.66, "origin": "host"}},
        "accuracy": {"difference_pt": -0.5, "origin": "emulated"},
        "fidelity": {"sqnr_db": 38.0, "origin": "emulated"},
    }

    assert figures(record) == [
        ("size", 107_000, "B", "host"),
        ("speedup", 1.66, "x", "host"),
        ("difference", -0.005, "pt", "emulated"),
    ]
    assert figures({**record, "latency": None})[1:] == [
        ("difference", -0.005, "pt", "emulated"),
        ("sqnr", 38.0, "dB", "emulated"),
    ]


def test_bench_has_the_latency_of_its_last_model_and_the_verdict_of_its_first_comparison():
    rows = [{"origin": "host", "latency": {"p50": p50, "p90": 2 * p50}} for p50 in (0.002, 0.001)]
    record = {"command": "bench", "runs": rows, "comparisons": [{"ratio": 2.0, "verdict": "faster"}]}

    assert figures(record) == [
        ("p50", 0.001, "s", "host"),
        ("p90", 0.002, "s", "host"),
        ("speedup", 2.0, "x", "host"),
    ]
    assert headline({**MEASURED, **record})["verdict"] == "faster"


def test_an_estimate_keeps_its_origin():
    record = {"command": "bench", "runs": [{"origin": "estimated", "latency": {"p50": 0.001}}]}

    assert figures(record) == [("p50", 0.001, "s", "estimated")]


def test_evaluate_has_its_metrics():
    record = {"command": "evaluate", "metrics": {"auc": {"value": 0.9, "origin": "host"}}}

    assert figures(record) == [("auc", 0.9, "1", "host")]


def test_compare_and_gate_have_a_verdict():
    compared = {"command": "compare", "verdict": "same", "difference_pt": None, "flips": 3}

    assert headline({**MEASURED, **compared})["verdict"] == "same"
    assert figures(compared) == [("flips", 3, "1", "host")]
    assert headline({"command": "gate", "verdict": "failed", "measurements": []}) == {
        "verdict": "failed",
        "figures": [],
    }


def test_where_measurements_have_several_origins_none_is_guessed():
    record = {"command": "compare", "flips": 3, "measurements": [{"origin": "host"}, {"origin": "estimated"}]}

    assert headline(record)["figures"] == [{"name": "flips", "value": 3, "unit": "1", "origin": ""}]


@pytest.mark.parametrize("command", ["quantize", "bench", "evaluate", "compare", "gate", "something new"])
@pytest.mark.parametrize(
    "record", [{}, {"runs": [], "output": None, "metrics": [], "verdict": 5}, {"runs": "text", "accuracy": True}]
)
def test_what_a_record_lacks_is_left_out(command, record):
    assert headline({**MEASURED, "command": command, **record}) == {"verdict": None, "figures": []}


def test_diagnose_has_the_signal_to_noise_of_its_candidate():
    assert figures({"command": "diagnose", "candidate_sqnr_db": 20.5, "origin": "host"}) == [
        ("sqnr", 20.5, "dB", "host")
    ]
