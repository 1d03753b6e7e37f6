"""Baseline, looks, waivers and slices in words, and that every report of a gate shows them."""

import pytest

from edgeopt.report.github import summary
from edgeopt.report.junit import junit_document
from edgeopt.report.markdown import markdown_report
from edgeopt.report.text import print_view
from edgeopt.report.told import facts_of, slice_cells, slices_text, waiver_cells

ACCEPTED = {"by": "ann", "date": "2026-05-04T10:00:00+00:00", "reason": "retrained", "config": "edgeopt.toml"}
WAIVER = {"rule": "size <= 1 KB", "until": "2027-01-31", "by": "bob", "reason": "pruned next", "state": "used"}


def part(value="left", verdict="not shown to be worse", **keys):
    figures = {"baseline": 0.9, "candidate": 0.88, "difference": -0.02, "difference_pt": -2.0, "flips": 7}
    known = {"column": "side", "value": value, "n": 1200, "metric": "accuracy", "p_holm": 0.2, "reason": ""}
    return {**known, **figures, "verdict": verdict, **keys}


def test_a_baseline_is_told_with_who_accepted_it_when_and_why(gate_record):
    baseline = {"is_original": False, "name": "b.json", "accepted": ACCEPTED}

    assert facts_of(gate_record(baseline=baseline)) == [
        "held against baseline b.json, accepted by ann on 2026-05-04: retrained"
    ]
    assert facts_of(gate_record(baseline={"is_original": True})) == []
    assert facts_of(gate_record(accepted=ACCEPTED)) == ["accepted as the new baseline by ann on 2026-05-04: retrained"]


@pytest.mark.parametrize(("models", "told"), [(1, None), (2, "2 models were judged"), (6, "may pass by luck")])
def test_looks_are_told_from_the_second_model_on(gate_record, models, told):
    looks = {"models": models, "source": "eval.npz", "n": 800, "part": "confirm"}

    lines = facts_of(gate_record(looks=looks))

    assert (told in lines[0] and "800 samples of part `confirm` of eval.npz" in lines[0]) if told else lines == []


@pytest.mark.parametrize(
    ("days", "told"), [(67, "67 days left"), (1, "1 day left"), (0, "0 days left"), (-1, "ended 1 day ago")]
)
def test_a_waiver_says_how_long_it_lasts(gate_record, days, told):
    assert told in waiver_cells(gate_record(waivers=[{**WAIVER, "days_left": days}]))[0][2]


def test_slices_that_are_worse_come_first():
    slices = [part("a"), part("b", "not judged", p_holm=None, reason="fewer than 200"), part("c", "worse", p_holm=0.01)]

    assert [row[0] for row in slice_cells(slices)] == ["side=c", "side=a", "side=b"]
    assert slices_text(slices) == ("slices: 2 judged, worse on side=c (one-sided, Holm at 5 % over all); 1 not judged")
    assert "none shown to be worse" in slices_text([part()])
    assert slices_text([]) == ""


def test_every_report_shows_waivers_looks_baseline_and_slices(gate_record, capsys, hostile):
    record = gate_record(
        waivers=[{**WAIVER, "days_left": 3, "reason": hostile}],
        looks={"models": 3, "source": "eval.npz", "n": 800, "part": ""},
        baseline={"is_original": False, "name": "b.json", "accepted": ACCEPTED},
        slices=[part("left", "worse", p_holm=0.001)],
        latency=None,
        accuracy=None,
    )
    print_view("gate", record)
    reports = [capsys.readouterr().out, markdown_report(record), summary(record), junit_document(record)]

    for report in reports:
        for told in ("2027-01-31", "bob", "3 models were judged", "accepted by ann on 2026-05-04"):
            assert told in report
        assert "\x1b" not in report
    assert all("<script>alert" not in report for report in reports[1:])
    for report in reports[:3]:
        assert "side=left" in report
