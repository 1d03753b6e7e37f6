"""The files beside a gate's answer: refused early, whole, and appended to where GitHub wants that."""

import pytest

from edgeopt.errors import InputError
from edgeopt.report.gate_files import GATE_REPORTS, gate_files
from edgeopt.report.github import SUMMARY_LIMIT_BYTES


def on_github(path):
    return {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(path)}


def test_every_report_is_written(gate_record, tmp_path):
    named = {option: str(tmp_path / option) for option in GATE_REPORTS}
    files = gate_files(named, {}, force=False)

    files.require_writable([])
    files.write(gate_record())

    assert (tmp_path / "junit").read_text().startswith("<?xml")
    assert "<svg" in (tmp_path / "markdown").read_text()
    assert "●" in (tmp_path / "summary").read_text()


@pytest.mark.parametrize("option", GATE_REPORTS)
def test_an_existing_file_stays_unless_forced(gate_record, tmp_path, option):
    path = tmp_path / "report"
    path.write_text("mine")

    with pytest.raises(InputError, match="exists"):
        gate_files({option: str(path)}, {}, force=False).require_writable([])
    assert path.read_text() == "mine"

    files = gate_files({option: str(path)}, {}, force=True)
    files.require_writable([])
    files.write(gate_record())
    assert "mine" not in path.read_text()


def test_a_report_does_not_replace_an_input(tmp_path):
    config = tmp_path / "edgeopt.toml"
    config.touch()
    files = gate_files({"junit": str(tmp_path / "." / "edgeopt.toml")}, {}, force=True)

    with pytest.raises(InputError, match="of `--junit` is an input"):
        files.require_writable([config])


def test_two_reports_do_not_share_a_file(tmp_path):
    files = gate_files({"junit": str(tmp_path / "a"), "summary": str(tmp_path / "a")}, {}, force=True)

    with pytest.raises(InputError, match="another output already"):
        files.require_writable([])


@pytest.mark.parametrize("is_named", [True, False])
def test_the_summary_of_a_step_is_appended_to(gate_record, tmp_path, is_named):
    path = tmp_path / "summary"
    path.write_text("before")
    files = gate_files({"summary": str(path)} if is_named else {}, on_github(path), force=False)

    files.require_writable([])
    files.write(gate_record())
    files.write(gate_record())

    assert path.read_text().startswith("before\n<!-- edgeopt:")
    assert path.read_text().count("## edgeopt gate") == 2


def test_a_summary_elsewhere_leaves_that_of_the_step(gate_record, tmp_path):
    own, step = tmp_path / "own", tmp_path / "step"
    files = gate_files({"summary": str(own)}, on_github(step), force=False)

    files.require_writable([])
    files.write(gate_record())

    assert own.exists()
    assert not step.exists()


@pytest.mark.parametrize("environ", [{}, {"GITHUB_STEP_SUMMARY": "summary"}, {"GITHUB_ACTIONS": "true"}])
def test_outside_of_github_there_is_no_summary_unasked(environ):
    assert gate_files({"junit": None}, environ, force=False).step_summary is None


def test_a_summary_in_a_folder_that_a_container_lacks_is_left_out(tmp_path):
    assert gate_files({}, on_github(tmp_path / "missing" / "summary"), force=False).step_summary is None


def test_a_full_summary_is_not_made_too_large(gate_record, tmp_path):
    path = tmp_path / "summary"
    path.write_bytes(b"a" * (SUMMARY_LIMIT_BYTES - 100))

    gate_files({}, on_github(path), force=False).write(gate_record())

    assert path.stat().st_size <= SUMMARY_LIMIT_BYTES


def test_a_summary_that_cannot_be_written_is_told(gate_record, tmp_path):
    path = tmp_path / "summary"
    path.mkdir()

    with pytest.raises(InputError, match="cannot be written"):
        gate_files({}, on_github(path), force=False).write(gate_record())
