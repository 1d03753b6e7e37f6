"""`edgeopt targets`: every profile shows its figures with their sources, and a file is checked for all its faults."""

import json

import pytest

from edgeopt.core.profiles import load_target, target_names
from edgeopt.errors import InputError
from edgeopt.workflow.targets import check_targets, list_targets, show_target

PROFILE = """
schema = 2
name = "my-chip"
description = "A chip of mine"
[cpu]
architecture = "armv8-m.main"
isa = ["dsp"]
isa_source = "its manual"
cores = { value = 1, source = "its manual" }
clock = { value = "64 MHz", source = "from memory", verified = false }
[memory]
ram = { value = "256 KiB", source = "its manual" }
"""


@pytest.fixture
def profile(tmp_path):
    """A function that writes a profile with other text in the place of some."""

    def write(file="my-chip.toml", **changes):
        text = PROFILE
        for before, after in changes.values():
            assert before in text
            text = text.replace(before, after)
        path = tmp_path / file
        path.write_text(text)
        return path

    return write


def test_every_target_is_listed_with_kind_and_description():
    listed = list_targets()["targets"]

    assert [entry["name"] for entry in listed] == target_names()
    assert listed[0]["name"] == "host"
    assert all(entry["description"] for entry in listed)
    assert {entry["kind"] for entry in listed} == {"cpu", "mcu", "npu"}
    assert {entry["name"] for entry in listed if entry["kind"] == "mcu"} == {
        "nrf5340",
        "stm32h7",
        "stm32l4r5",
        "stm32u5",
    }


@pytest.mark.parametrize("name", target_names())
def test_every_figure_has_value_unit_and_source(name):
    record = show_target(name)

    assert record["int8"]["activations"] in {"uint8", "int8"}
    assert record["isa_source"]
    for key, figure in record["figures"].items():
        assert figure.keys() == {"value", "source", "verified", "unit"}
        assert figure["value"] > 0
        assert figure["source"]
        assert (figure["unit"] == "1") == (key in {"cores", "macs_per_cycle"})
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_units_follow_the_names_of_the_figures():
    units = {key: figure["unit"] for key, figure in show_target("rpi4")["figures"].items()}

    assert units["clock_hz"] == "Hz"
    assert units["bandwidth_bytes_per_second"] == "B/s"
    assert units["ram_bytes"] == units["l2_bytes"] == "B"
    assert units["idle_w"] == "W"


def test_the_policy_of_a_profile_and_its_integer_types_agree():
    for name in target_names():
        record = show_target(name)
        if record["quantization"]["name"] == "integer":
            assert (record["int8"]["activations"], record["int8"]["weight_bits"]) == ("int8", 8)
        assert record["kind"] == "cpu" or record["quantization"]["name"] == "integer"


def test_an_unknown_target_has_near_names():
    with pytest.raises(InputError, match="unknown target `rpi44`") as caught:
        show_target("rpi44")

    assert "`rpi4`" in caught.value.hint
    assert "a profile of your own is named by its path" in caught.value.hint


def test_a_file_that_is_a_profile_is_told_with_what_it_leaves_open(profile):
    path = profile()
    check = check_targets([path])

    assert check.exit_code == 0
    assert check.as_json() == {
        "is_usable": True,
        "files": [
            {
                "path": str(path),
                "name": "my-chip",
                "is_usable": True,
                "faults": [],
                "unverified": ["clock_hz"],
                "missing": ["flash_bytes: whether a model fits its flash is not said"],
            }
        ],
    }
    assert load_target(str(path)).kind == "mcu"


def test_every_fault_of_every_file_is_told(profile, tmp_path):
    one = profile(
        "one.toml", unit=('"64 MHz"', "64"), flag=('"dsp"', '"dps"'), source=(', source = "its manual" }', " }")
    )
    two = profile("two.toml", name=('name = "my-chip"', 'nmae = "my-chip"'), figure=("256 KiB", "256 TiB"))
    three = tmp_path / "three.toml"
    check = check_targets([one, two, three, profile()])
    record = check.as_json()
    faults = [entry["faults"] for entry in record["files"]]

    assert check.exit_code == 2
    assert [entry["is_usable"] for entry in record["files"]] == [False, False, False, True]
    assert len(faults[0]) == 4
    assert any(fault.startswith("`cpu.clock.value` is `64`: a clock has no unit") for fault in faults[0])
    assert any("`dps` is no flag of armv8-m.main, did you mean `dsp`" in fault for fault in faults[0])
    assert {"`cpu.cores.source` is missing", "`memory.ram.source` is missing"} <= set(faults[0])
    assert "unknown key `nmae`, did you mean `name`?" in faults[1]
    assert "`name` is missing" in faults[1]
    assert any(fault.startswith("`memory.ram.value` is `256 TiB`") for fault in faults[1])
    assert faults[2] == [f"target profile `{three}` does not exist"]
    assert record["error"]["code"] == 2
    assert all(fault in record["error"]["message"] for entry in faults for fault in entry)


@pytest.mark.parametrize(("name", "text"), [("a.toml", "schema = "), ("b.toml", "")])
def test_what_is_no_profile_at_all_has_faults(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)

    assert check_targets([path]).as_json()["files"][0]["faults"]


def test_a_file_with_another_ending_would_be_no_target(profile):
    assert check_targets([profile("my-chip.txt")]).as_json()["files"][0]["faults"] == [
        "its name does not end in `.toml`, as `--target` wants it"
    ]
