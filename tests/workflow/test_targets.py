"""`edgeopt targets`: every profile shows its figures with their sources."""

import json

import pytest

from edgeopt.core.profiles import target_names
from edgeopt.errors import InputError
from edgeopt.workflow.targets import list_targets, show_target


def test_every_target_is_listed_with_a_description():
    listed = list_targets()["targets"]

    assert [entry["name"] for entry in listed] == target_names()
    assert listed[0]["name"] == "host"
    assert all(entry["description"] for entry in listed)


@pytest.mark.parametrize("name", target_names())
def test_every_figure_has_value_unit_and_source(name):
    record = show_target(name)

    assert record["int8"]["activations"] in {"uint8", "int8"}
    assert record["isa_source"]
    for figure in record["figures"].values():
        assert figure.keys() == {"value", "source", "verified", "unit"}
        assert figure["value"] > 0
        assert figure["source"]
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_an_unknown_target_has_near_names():
    with pytest.raises(InputError, match="unknown target `rpi44`") as caught:
        show_target("rpi44")

    assert "`rpi4`" in caught.value.hint
