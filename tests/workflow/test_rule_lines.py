"""Lines of rules in a configuration."""

import tomllib

import pytest

from edgeopt.workflow.rule_lines import rule_lines

CONFIG = """schema = 1  # "size <= 1 B" is no rule here
[[gate.waiver]]
rule = "size <= 200 KB"
"rule" = 'accuracy >= 90 %'
[gate]
rules = ["size <= 200 KB", 'accuracy >= 90 %',
    "latency.p50 <= 1 s @ \\u0068ost",  # it's "size <= 1 B"
    \"\"\"flip_rate <= 2 %\"\"\",
    '''mse <= 1''', "a\\"b",
]
"""


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("size <= 200 KB", 6),
        ("accuracy >= 90 %", 6),
        ("latency.p50 <= 1 s @ host", 7),
        ("flip_rate <= 2 %", 8),
        ("mse <= 1", 9),
        ('a"b', 9),
        ("size <= 1 B", None),
    ],
)
def test_a_rule_is_found_where_it_stands(rule, line):
    assert rule_lines(CONFIG, [rule]).get(rule) == line


def test_the_first_of_two_equal_rules_is_taken():
    text = 'rules = [\n"a",\n"a",\n]'

    assert tomllib.loads(text)["rules"] == ["a", "a"]
    assert rule_lines(text, ["a"]) == {"a": 2}
