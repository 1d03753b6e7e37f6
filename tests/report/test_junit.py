"""JUnit XML: what becomes of each verdict, by the schema that readers hold it to."""

from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeopt.report.junit import junit_document

ALL = ("passed", "failed", "undecided", "waived")


def suite_of(record):
    return ElementTree.fromstring(junit_document(record))[0]


def outcome_of(case):
    return [(element.tag, element.get("type")) for element in case]


@pytest.mark.parametrize(
    ("verdict", "undecided", "outcome"),
    [
        ("passed", "fail", []),
        ("failed", "fail", [("failure", "failed")]),
        ("failed", "pass", [("failure", "failed")]),
        ("undecided", "fail", [("failure", "undecided")]),
        ("undecided", "warn", [("skipped", None)]),
        ("undecided", "pass", [("skipped", None)]),
        ("waived", "fail", [("skipped", None)]),
    ],
)
def test_every_verdict_has_its_element(gate_record, rule, verdict, undecided, outcome):
    suite = suite_of(gate_record(rule(verdict=verdict), undecided=undecided))

    assert outcome_of(suite.find("testcase")) == outcome


def test_a_record_without_a_policy_fails_undecided_rules(gate_record, rule):
    record = gate_record(rule(verdict="undecided"))
    del record["undecided"]

    assert outcome_of(suite_of(record).find("testcase")) == [("failure", "undecided")]


def test_the_counts_are_those_of_the_cases(gate_record, rule):
    suite = suite_of(gate_record(*(rule(f"size <= {n} B", verdict) for n, verdict in enumerate(ALL))))

    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
    }


def test_a_failure_tells_figure_limit_origin_and_reason(gate_record, rule):
    broken = rule("size <= 100 KB", "failed", value=107_000, limit=100_000, unit="B", reason="held to a tolerance")

    failure = suite_of(gate_record(broken)).find("testcase/failure")

    assert failure.get("message") == "107 KB, limit 100 KB (host); held to a tolerance"
    assert "size <= 100 KB" in failure.text


def test_a_waived_rule_tells_who_waived_it(gate_record, rule):
    case = suite_of(gate_record(rule(verdict="waived", reason="failed, waived until 2027-01-31 by Ada: why")))

    assert "by Ada: why" in case.find("testcase/skipped").get("message")


def test_the_suite_says_what_was_judged_and_when(gate_record):
    suite = suite_of(gate_record(verdict="passed"))
    properties = {entry.get("name"): entry.get("value") for entry in suite.find("properties")}

    assert suite.get("timestamp") == "2026-11-23T10:30:00"
    assert suite.find("testcase").get("classname") == "edgeopt.gate.digits_int8_onnx"
    assert properties["verdict"] == "passed"
    assert properties["candidate.sha256"] == "b" * 64


def test_equal_names_are_told_apart(gate_record, rule):
    names = ["a", "a", "a (2)", "a\x00", " a ", ""]
    suite = suite_of(gate_record(*map(rule, names)))
    found = [case.get("name") for case in suite.findall("testcase")]

    assert found[:3] == ["a", "a (2)", "a (2) (2)"]
    assert len(set(found)) == len(names)
    assert all(found)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(alphabet=st.characters(codec=None)), max_size=5))
def test_whatever_names_and_reasons_hold_the_document_is_whole(gate_record, rule, texts):
    rules = [rule(text, "failed", reason=text) for text in texts]
    document = junit_document({**gate_record(warnings=texts), "rules": rules})

    suite = ElementTree.fromstring(document.encode("utf-8"))[0]

    assert len(suite.findall("testcase/failure")) == len(texts)


@pytest.mark.shared
@pytest.mark.parametrize("undecided", ["fail", "warn"])
def test_it_is_what_the_schema_wants(gate_record, rule, hostile, shared_data, undecided):
    xmlschema = pytest.importorskip("xmlschema")
    schema = xmlschema.XMLSchema(shared_data / "schemas" / "JUnit.xsd")
    rules = [rule(text, verdict, reason=hostile) for text in ("size <= 1 B", hostile) for verdict in ALL]
    record = gate_record(*rules, undecided=undecided, warnings=[hostile])
    record["artifacts"][1]["path"] = hostile

    schema.validate(junit_document(record))


@pytest.mark.shared
def test_a_gate_without_rules_is_what_the_schema_wants(gate_record, shared_data):
    xmlschema = pytest.importorskip("xmlschema")
    schema = xmlschema.XMLSchema(shared_data / "schemas" / "JUnit.xsd")

    schema.validate(junit_document({**gate_record(), "rules": [], "artifacts": []}))
