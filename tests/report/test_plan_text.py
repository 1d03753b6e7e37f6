"""A plan in the terminal: a row per rule, its assumption below, sources at the foot."""

import io

import pytest
from rich.console import Console

from edgeopt.report.plan_text import plan_view

NEEDED = {"80": 1200, "95": 2100}
KNOWN = {"name": "discordance", "value": 0.0123, "unit": "%", "origin": "host", "source": "run 1: 4 lost of 1,000"}


def case(**keys):
    return {
        "assumption": "no true drop",
        "inputs": [KNOWN],
        "needed": NEEDED,
        "power": 0.64,
        "detects_told": "-2.26 pt",
        "fails": [{"told": "-0.50 pt", "needed": NEEDED, "power": 0.3}],
        **keys,
    }


def rule(*others, **keys):
    main = case(**{key: keys.pop(key) for key in list(keys) if key in case()})
    return {
        "rule": "accuracy >= baseline - 1 pt",
        "kind": "chance",
        "unit": "samples",
        "at_hand": 899,
        **main,
        "cases": [main, *others],
        "slices": [],
        "fail_level": 0.025,
        "advice": "give 301 more",
        **keys,
    }


def shown(*rules):
    console = Console(width=160, file=io.StringIO(), no_color=True)
    console.print(plan_view({"plan": list(rules)}))
    return console.file.getvalue()


def line(text, begin):
    (found,) = [line for line in text.splitlines() if line.strip().startswith(begin)]
    return " ".join(found.split())


def test_a_rule_shows_what_to_do_and_below_what_it_needs_and_has():
    text = shown(rule())

    assert text.splitlines()[1:4] == [
        "                needs for 80 %  for 95 %  at hand      chance  fails from",
        "accuracy >= baseline - 1 pt: give 301 more",
        "  no true drop  1,200           2,100     899 samples  64 %    -2.26 pt",
    ]


@pytest.mark.parametrize(
    ("power", "told"), [(0.999, "> 99 %"), (0.996, "> 99 %"), (0.994, "99 %"), (0.004, "< 1 %"), (0.5, "50 %")]
)
def test_a_chance_is_never_rounded_to_certainty(power, told):
    assert f" {told} " in line(shown(rule(power=power)), "no true drop")


@pytest.mark.parametrize(("power", "code"), [(0.9, "32"), (0.6, "33"), (0.2, "31")])
def test_a_chance_has_a_colour_on_a_terminal(power, code):
    console = Console(width=100, file=io.StringIO(), force_terminal=True)
    console.print(plan_view({"plan": [rule(power=power)]}))

    assert f"\x1b[{code}m{round(100 * power)} %\x1b[0m" in console.file.getvalue()


def test_further_cases_have_figures_of_their_own():
    text = shown(rule(case(assumption="5 % change", needed={"80": None, "95": None}, power=None, detects_told="")))

    assert line(text, "5 % change") == "5 % change never never"


def test_a_rule_that_cannot_pass_shows_what_fails_it():
    text = shown(rule(needed={"80": None, "95": None}))

    assert line(text, "no true drop") == "no true drop never never 899 samples 64 % -2.26 pt"
    assert line(text, "to fail a true -0.50 pt") == "to fail a true -0.50 pt 1,200 2,100 30 %"


@pytest.mark.parametrize(
    ("unit", "count", "told"),
    [
        ("samples", 1, " 1 sample "),
        ("processes", 1, " 1 process "),
        ("processes", 4, " 4 processes "),
        ("samples", None, " none "),
    ],
)
def test_units_agree_in_number(unit, count, told):
    assert told in line(shown(rule(unit=unit, at_hand=count)), "no true drop")


def test_slices_come_with_the_least_likely_first_and_not_too_many():
    parts = [
        {"slice": f"room={n}", "at_hand": 300 + n, "is_judged": True, "needed": NEEDED, "power": n / 10}
        for n in range(9)
    ]
    small = {"slice": "room=small", "at_hand": 20, "is_judged": False, "needed": NEEDED, "power": None}

    text = shown(rule(slices=[*reversed(parts), small]))
    rooms = [row.split()[0] for row in text.splitlines() if row.strip().startswith("room=")]

    assert rooms == [f"room={n}" for n in range(8)]
    assert "  and 2 more (--json lists all)" in text.splitlines()
    assert line(shown(rule(slices=[small])), "room=small") == "room=small 1,200 2,100 20 too few"
    assert " 899 per slice " in text


def test_the_foot_names_every_source_once():
    other = {**KNOWN, "value": 0.05, "source": "assumed", "origin": "estimated"}
    again = {**KNOWN, "name": "difference", "value": -0.002, "unit": "pt"}
    text = shown(rule(case(inputs=[other])), rule(inputs=[KNOWN, again]))

    assert "  answers that change 1.23 %; difference -0.20 pt (host; run 1: 4 lost of 1,000)" in text
    assert "  answers that change 5 % (estimated; assumed)" in text
    assert "at 2.5 %, which is 5 % over 2 findings" in text


@pytest.mark.parametrize("kind", ["plain", "unknown", "unmeasured"])
def test_a_rule_without_chance_has_its_advice_alone(kind):
    text = shown(rule(kind=kind, inputs=[], power=None, fail_level=None))

    assert text.splitlines()[1] == "accuracy >= baseline - 1 pt: give 301 more"
    assert "needs for" not in text
    assert "nothing but the rules" in text
    assert "fails from: the" not in text


def test_hostile_names_do_no_harm(hostile):
    part = {"slice": hostile, "at_hand": 300, "is_judged": True, "needed": NEEDED, "power": 0.5}
    text = shown(rule(rule=hostile, slices=[part], assumption=hostile, advice=hostile))

    assert "\x1b" not in text
    assert "\0" not in text
    assert "\n::" not in text
