"""JUnit XML of a gate record: a test case per rule, by the schema of Ant that GitLab, Jenkins and others read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from edgeopt.report.escape import xml_text
from edgeopt.report.figures import Record
from edgeopt.report.rules import is_undecided_failing, model_name, rule_text
from edgeopt.report.told import facts_of, waiver_lines

_SUITE = "edgeopt.gate"
_HEADER = '<?xml version="1.0" encoding="utf-8"?>\n'


def junit_document(record: Record) -> str:
    """The document: a passed rule is a test case, a failed one a failure, a waived one skipped.

    An undecided rule is a failure where it fails the gate, else skipped. Names are unique, since GitLab drops all but
    one of equal ones. Nothing says how long a single rule took, so times are 0.
    """
    rules = record["rules"]
    elements = [_outcome(rule, is_undecided_failing(record)) for rule in rules]
    root = Element("testsuites")
    suite = SubElement(
        root,
        "testsuite",
        package="edgeopt",
        id="0",
        name=_SUITE,
        timestamp=_timestamp(record["environment"]["date"]),
        hostname="localhost",
        tests=str(len(rules)),
        failures=str(sum(element is not None and element.tag == "failure" for element in elements)),
        errors="0",
        skipped=str(sum(element is not None and element.tag == "skipped" for element in elements)),
        time="0",
    )
    _add_properties(suite, record)
    classname = f"{_SUITE}.{re.sub(r'[^A-Za-z0-9-]', '_', model_name(record))}"
    for name, element in zip(_unique([rule["rule"] for rule in rules]), elements, strict=True):
        case = SubElement(suite, "testcase", name=name, classname=classname, time="0")
        case.extend([element] if element is not None else [])
    told = [*facts_of(record), *waiver_lines(record), *record.get("warnings", [])]
    SubElement(suite, "system-out").text = xml_text("\n".join(told))
    SubElement(suite, "system-err")
    ElementTree.indent(root)
    return _HEADER + ElementTree.tostring(root, encoding="unicode") + "\n"


def _outcome(rule: Record, is_undecided_failing: bool) -> Element | None:
    """The element inside a test case; none for a rule that passed."""
    verdict, told = rule["verdict"], xml_text(rule_text(rule))
    if verdict == "passed":
        return None
    if verdict == "failed" or (verdict == "undecided" and is_undecided_failing):
        element = Element("failure", type=verdict, message=told)
        element.text = xml_text(f"{rule['rule']}\n{verdict}: {told}")
        return element
    return Element("skipped", message=told if verdict == "waived" else f"{verdict}: {told}")


def _add_properties(suite: Element, record: Record) -> None:
    facts = {"verdict": record["verdict"], "edgeopt": record["edgeopt"], "machine": record["environment"]["machine"]}
    for artifact in record["artifacts"]:
        role = artifact.get("role", "candidate")
        facts |= {f"{role}.path": artifact["path"], f"{role}.sha256": artifact["sha256"]}
    properties = SubElement(suite, "properties")
    for name, value in facts.items():
        SubElement(properties, "property", name=_token(name), value=xml_text(str(value)))


def _unique(names: list[str]) -> list[str]:
    """The names as XML tokens; of equal ones all but the first carry a number."""
    found: dict[str, None] = {}
    for name in map(_token, names):
        number, unique = 1, name
        while unique in found:
            number += 1
            unique = f"{name} ({number})"
        found[unique] = None
    return list(found)


def _token(text: str) -> str:
    """`text` with single spaces, as readers of the schema would take it."""
    return " ".join(xml_text(text).split()) or "unnamed"


def _timestamp(date: str) -> str:
    """The moment in UTC without zone or fraction, as the schema wants it."""
    return datetime.fromisoformat(date).astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
