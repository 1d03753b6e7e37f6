"""`edgeopt targets` lists, shows and checks profiles."""

from __future__ import annotations

import pytest

from edgeopt.core.profiles import target_names

PROFILE = """
schema = 2
name = "my-chip"
description = "A chip of mine"
[cpu]
architecture = "armv7e-m"
isa = ["fp"]
isa_source = "its manual"
cores = { value = 1, source = "its manual" }
clock = { value = "64 MHz", source = "its manual" }
[memory]
ram = { value = "256 KiB", source = "its manual" }
flash = { value = "1 MiB", source = "its manual" }
"""


def test_every_target_has_a_line(edgeopt):
    left = edgeopt("targets", "list")
    names = [line.split()[0] for line in left.out.splitlines() if line.strip()][2:]

    assert (left.code, left.err) == (0, "")
    assert names == target_names()


def test_sources_and_marks_are_shown(edgeopt):
    left = edgeopt("targets", "show", "n100")

    assert left.code == 0
    assert "sbc-bench" in left.out
    assert "NOT VERIFIED" in left.out


def test_a_profile_of_the_users_own_is_shown_by_its_path(edgeopt, tmp_path):
    path = tmp_path / "my-chip.toml"
    path.write_text(PROFILE)
    left = edgeopt("targets", "show", path, "--json")

    assert left.json["figures"]["ram_bytes"] == {
        "value": 262_144,
        "unit": "B",
        "source": "its manual",
        "verified": True,
    }
    assert (left.json["kind"], left.json["quantization"]["name"]) == ("mcu", "integer")


def test_a_good_file_passes_the_check(edgeopt, tmp_path):
    path = tmp_path / "my-chip.toml"
    path.write_text(PROFILE)
    left = edgeopt("targets", "check", path)

    assert (left.code, left.err) == (0, "")
    assert left.out.strip().endswith("my-chip.toml: the target `my-chip`")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_with_faults_is_refused_with_all_of_them(edgeopt, tmp_path, as_json):
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(PROFILE)
    bad.write_text(PROFILE.replace('"64 MHz"', '"64 THz"').replace('"fp"', '"fpu"').replace("cores", "coers"))
    left = edgeopt("targets", "check", good, bad, *(["--json"] if as_json else []))

    assert left.code == 2
    assert "the target `my-chip`" in left.out or left.json["files"][0]["is_usable"]
    for text in (
        "cpu.clock.value",
        "`fpu` is no flag of armv7e-m",
        "unknown key `cpu.coers`",
        "`cpu.cores` is missing",
    ):
        assert text in left.out
    if as_json:
        assert left.json["error"].keys() == {"code", "message", "hint"}


def test_a_check_wants_a_file(edgeopt):
    assert edgeopt("targets", "check").code == 2
