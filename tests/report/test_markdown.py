"""Markdown reports: what a reader finds, how much of it, and that no name becomes markup."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from edgeopt.report.markdown import LIMIT, markdown_report, marker

COMPARISON = {"ratio": 1.5, "ci95": [1.4, 1.6], "verdict": "faster"}
LATENCY = {
    "baseline": {"p50": 2e-4, "p90": 3e-4, "origin": "host"},
    "candidate": {"p50": 1e-4, "p90": 2e-4, "origin": "host"},
    "comparison": COMPARISON,
}
ACCURACY = {
    "metric": "accuracy",
    "baseline": 0.9,
    "candidate": 0.89,
    "difference": -0.01,
    "difference_pt": -1.0,
    "ci95": [-2.0, 0.5],
    "n": 900,
    "flips": 20,
    "flip_rate": 0.02,
    "sqnr_db": 30.0,
    "verdict": "undecided",
}


class Page(HTMLParser):
    """Tags, attributes and text of what Markdown makes; `words` is the text in which GitHub looks for mentions."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.words, self.is_code = [], [], "", "", False
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.is_code = tag in ("code", "svg") or self.is_code
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag):
        self.is_code = self.is_code and tag not in ("code", "svg")

    def handle_data(self, data):
        self.text += data
        self.words += "" if self.is_code else data


def bench_row(path):
    return {
        "path": path,
        "latency": {"p50": 1e-4, "p90": 2e-4, "ci95": [0.9e-4, 1.1e-4]},
        "load": {"value": 0.01},
        "throughput": {"value": 9000.0},
        "memory": {"value": 50_000_000},
        "origin": "host",
        "runtime": "onnxruntime",
        "threads": 1,
        "batch": 1,
    }


@pytest.fixture
def records(gate_record):
    """A record of every command that has a report."""
    gate = gate_record()
    shared = {key: gate[key] for key in ("schema", "edgeopt", "environment", "artifacts", "measurements")}
    source, made = gate["artifacts"]
    scheme = {"activations": "uint8", "weight_bits": 8, "target": "host"}
    return {
        "gate": {**gate, "latency": LATENCY, "accuracy": ACCURACY},
        "compare": {**shared, "command": "compare", **ACCURACY, "origin": "host"},
        "bench": {
            **shared,
            "command": "bench",
            "runs": [bench_row("a.onnx"), bench_row("b.onnx")],
            "comparison": COMPARISON,
            "comparisons": [COMPARISON],
        },
        "quantize": {
            **shared,
            "command": "quantize",
            "input": source,
            "output": made,
            "scheme": scheme,
            "calibration": {"samples": 200, "source": "data.npz"},
            "latency": LATENCY,
            "accuracy": ACCURACY,
            "warnings": ["the load average was 3"],
        },
    }


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("gate", ["edgeopt gate: failed", "1 rule: 1 passed", "accuracy >= baseline - 1 pt", "3.00x smaller"]),
        ("compare", ["edgeopt compare: undecided", "accuracy, 900 samples", "-1.00 pt"]),
        ("bench", ["edgeopt bench: faster", "a.onnx", "100 µs", "b.onnx is faster (1.50x"]),
        ("quantize", ["edgeopt quantize: 300 KB to 100 KB", "uint8", "200 samples", "the load average was 3"]),
    ],
)
@pytest.mark.parametrize("is_drawn", [True, False])
def test_every_command_has_its_report(records, command, told, is_drawn):
    text = markdown_report(records[command], is_drawn=is_drawn)
    page = Page(text)

    assert [part for part in told if part not in page.text] == []
    assert "host" in page.text
    assert ("svg" in page.tags) == is_drawn
    assert ("●" in page.text) == (not is_drawn)


def test_the_marker_comes_first_and_the_verdict_next(gate_record):
    lines = markdown_report(gate_record()).splitlines()

    assert lines[:2] == ["<!-- edgeopt:digits.int8.onnx -->", "## edgeopt gate: failed"]


def test_the_marker_of_a_hostile_name_is_one_comment(gate_record, hostile):
    record = gate_record()
    record["artifacts"][1]["path"] = f"{hostile}-->--"

    assert re.fullmatch(r"<!-- edgeopt:[\w.]+ -->", marker(record))


def test_the_worst_rule_comes_first(gate_record, rule):
    outcomes = ("passed", "waived", "undecided", "failed")
    text = markdown_report(gate_record(*(rule(f"size <= {n} B", verdict) for n, verdict in enumerate(outcomes))))

    assert re.findall(r"^\| `[^`]+` \| \**(\w+)", text, re.MULTILINE) == list(reversed(outcomes))


def test_a_rule_without_a_figure_has_empty_cells(gate_record, rule):
    unmeasured = rule("energy <= 1 J", "undecided", value=None, limit=None, origin=None)

    assert "| `energy <= 1 J` | **undecided** |  |  |  | because |" in markdown_report(gate_record(unmeasured))


@pytest.mark.parametrize("is_drawn", [True, False])
def test_a_hostile_name_is_shown_and_is_no_markup(gate_record, rule, hostile, is_drawn):
    plain = gate_record(rule(reason="why", interval=[0.985, 0.995]), warnings=["warned"])
    record = gate_record(rule(hostile, reason=hostile, interval=[0.985, 0.995]), warnings=[hostile])
    record["artifacts"][1]["path"] = hostile
    expected, page = (Page(markdown_report(some, is_drawn=is_drawn)) for some in (plain, record))

    assert page.tags == expected.tags
    assert page.attributes == expected.attributes
    assert page.text.count("<script>alert(1)</script>|`x`|") >= 3
    assert "@all" not in page.words
    assert "##[" not in page.text
    assert "\x1b" not in page.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(alphabet=st.sampled_from("ab`|\\<>&*_[]()!#@$~-=+:/.'\"\n\t\0 %{}"), min_size=1, max_size=20))
def test_no_name_changes_the_structure_of_the_page(gate_record, rule, name):
    named = markdown_report(gate_record(rule(f"x{name}x", reason=f"x{name}x"), warnings=[f"x{name}x"]))
    plain = markdown_report(gate_record(rule("x", reason="x"), warnings=["x"]))

    assert Page(named).tags == Page(plain).tags


def test_a_report_of_very_many_rules_is_cut_and_says_so(gate_record, rule):
    rules = [rule(f"slice(room{n}).accuracy >= 1 %", "failed", reason="<" * 500) for n in range(5000)]
    text = markdown_report(gate_record(*rules))
    shown = len(re.findall(r"^\| `slice", text, re.MULTILINE))

    assert LIMIT - 5000 < len(text) <= LIMIT
    assert f"… and {5000 - shown:,} more rows" in text
    assert "</svg>" in text
    assert "<sub>" in text


def test_the_plot_is_one_drawing_that_holds_every_figure(gate_record, rule):
    rules = [rule(interval=[0.985, 0.995]), rule("size <= 1 B", "failed", value=2, limit=1, unit="B")]
    text = markdown_report(gate_record(*rules, rule("energy <= 1 J", "undecided", value=None, limit=None)))
    drawing = text[text.index("<svg") : text.index("</svg>") + len("</svg>")]
    root = ElementTree.fromstring(drawing)
    space = "{http://www.w3.org/2000/svg}"

    assert root.get("viewBox").startswith("0 0 900 ")
    assert [len(root.findall(f"{space}g/{space}{mark}")) for mark in ("circle", "rect")] == [1, 1]
    assert "\n\n" not in drawing
    assert drawing in MarkdownIt("commonmark", {"html": True}).render(text)


def test_figures_without_anything_to_draw_have_no_plot(gate_record, rule):
    text = markdown_report(gate_record(rule("energy <= 1 J", "undecided", value=None, limit=None)))

    assert "<svg" not in text


def test_a_dry_run_of_quantize_says_so(records):
    text = markdown_report({**records["quantize"], "output": None, "latency": None, "accuracy": None})

    assert "edgeopt quantize: dry run" in text
