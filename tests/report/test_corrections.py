"""What `quantize` says of its corrections."""

from __future__ import annotations

from edgeopt.report.corrections import budget_text, correction_rows, corrections_text, placement_text

PLAIN = {
    "equalize": False,
    "smooth": False,
    "range": "minmax",
    "weight_range": "minmax",
    "rounding": "nearest",
    "bias_correction": False,
    "held_back": 0,
    "tried": [],
}


def tried(before: float, after: float, *, kept: bool) -> dict[str, object]:
    return {"change": {}, "before_db": before, "after_db": after, "kept": kept}


def test_a_model_without_corrections_names_its_ranges_alone() -> None:
    assert corrections_text(PLAIN) == "ranges by minmax"


def test_a_scheme_without_ranges_tells_its_rounding() -> None:
    found = corrections_text({"rounding": "nearest", "held_back": 9, "tried": [tried(20.0, 19.0, kept=False)]})

    assert found == "weights rounded to the nearest: 20.0 -> 20.0 dB on 9 samples held back"


def test_corrections_are_told_with_what_they_gained_on_samples_held_back() -> None:
    found = corrections_text(
        {
            **PLAIN,
            "equalize": True,
            "range": "mse",
            "weight_range": "mse",
            "rounding": "gptq",
            "held_back": 100,
            "tried": [tried(30.0, 33.0, kept=True), tried(33.0, 36.0, kept=True), tried(36.0, 35.0, kept=False)],
        }
    )

    assert found == (
        "channels equalized, ranges by mse, ranges of weights by mse, weights rounded by gptq: "
        "30.0 -> 36.0 dB on 100 samples held back"
    )


def test_trials_that_gained_nothing_end_where_they_began() -> None:
    found = corrections_text({**PLAIN, "held_back": 10, "tried": [tried(30.0, 29.0, kept=False)]})

    assert found == "ranges by minmax: 30.0 -> 30.0 dB on 10 samples held back"


def test_placement_and_budget_are_told_in_a_line_each() -> None:
    assert placement_text({"kept_float": []}) == "measured on this machine: no node is slower in int8 here"
    budget = {
        "limit_pt": 0.5,
        "met": False,
        "drop_pt": 0.75,
        "samples": 400,
        "kept_float": ["a", "b"],
        "evaluations": [{}, {}, {}],
    }

    assert budget_text(budget) == (
        "0.5 pt NOT met: 0.75 pt on 400 samples with 2 layers kept float, after 3 evaluations"
    )
    assert [name for name, _ in correction_rows({"placement": {"kept_float": ["a"]}, "max_drop": budget})] == [
        "placement",
        "max drop",
    ]
    assert correction_rows({}) == []


def test_a_scheme_that_only_rounds_tells_that_alone() -> None:
    learnt = {"rounding": "gptq", "held_back": 50, "tried": [tried(10.0, 25.0, kept=True)], "origin": "host"}
    plain = {"rounding": "nearest", "held_back": 0, "tried": [], "origin": "host"}

    assert corrections_text(learnt) == "weights rounded by gptq: 10.0 -> 25.0 dB on 50 samples held back"
    assert corrections_text(plain) == "weights rounded to the nearest"
