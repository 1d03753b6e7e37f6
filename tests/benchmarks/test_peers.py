"""benchmarks/peers: what the harness makes of figures, and that tools run through it as they do by hand."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from peers import accuracy, bars, speed, workshop
from peers.cases import Case, cases_in
from peers.tools import RIVALS, Edgeopt, Job, Nncf, OnnxRuntime
from peers.workshop import Workshop, error_line, job_key


def test_the_best_rival_is_the_best_on_average_and_not_the_best_of_each_draw() -> None:
    figures = {"steady": [10.0, 10.0], "lucky once": [4.0, 20.0]}

    assert bars.best_rival(figures, is_larger_better=False) == "steady"
    assert bars.best_rival(figures, is_larger_better=True) == "lucky once"


@pytest.mark.parametrize(("ours", "reached"), [([8.0, 8.0], True), ([8.0, 9.0], False), ([0.0, 0.0], True)])
def test_flips_may_be_one_more_than_the_best_rivals(ours: list[float], reached: bool) -> None:
    assert bars.flips_bar(ours, {"a": [7.0, 7.0], "b": [9.0, 9.0]}).is_reached is reached


def test_signal_to_noise_is_held_against_the_best_rival() -> None:
    assert not bars.sqnr_bar([29.4], {"a": [20.0], "b": [29.5]}).is_reached
    assert bars.sqnr_bar([29.5], {"a": [20.0], "b": [29.5]}).is_reached


def test_the_smallest_p_counts_as_often_as_there_are_draws() -> None:
    assert not bars.drop_bar([0.9, 0.01, 0.9], "a").is_reached
    assert bars.drop_bar([0.9, 0.02, 0.9], "a").is_reached


def test_a_float_model_that_was_kept_is_not_slower_than_itself() -> None:
    assert bars.float_bar(0.97, (0.96, 0.98), is_float=True).is_reached
    assert not bars.float_bar(0.97, (0.96, 0.98), is_float=False).is_reached
    assert bars.float_bar(0.99, (0.97, 1.01), is_float=False).is_reached


def test_memory_may_grow_by_a_tenth() -> None:
    assert bars.growth_bar(100, 110).is_reached
    assert not bars.growth_bar(100, 111).is_reached


def test_a_missed_bar_is_said_loudly() -> None:
    assert str(bars.planted_bar(8.7)) == "SQNR 8.70 >= 27 dB: MISSED"


def test_the_error_of_a_command_is_its_message_or_the_end_of_its_traceback() -> None:
    assert error_line("warning: x\nerror: no file `a.onnx`\nhint: look\n") == "error: no file `a.onnx`"
    assert error_line("Traceback\n  File\nRuntimeError: a | b\n") == "RuntimeError: a / b"
    assert error_line("") == ""


def test_a_rivals_model_is_made_anew_when_model_options_or_samples_change(tmp_path: Path) -> None:
    model, other = tmp_path / "a.onnx", tmp_path / "b.onnx"
    model.write_bytes(b"one")
    other.write_bytes(b"two")
    tool = OnnxRuntime("MinMax", "U8S8")
    keys = [
        job_key(tool, Job(model=model, samples=Path("samples-1.npz"), count=3)),
        job_key(tool, Job(model=other, samples=Path("samples-1.npz"), count=3)),
        job_key(tool, Job(model=model, samples=Path("samples-2.npz"), count=3)),
        job_key(tool, Job(model=model, samples=Path("samples-1.npz"), count=3, is_per_channel=False)),
        job_key(OnnxRuntime("MinMax", "S8S8"), Job(model=model, samples=Path("samples-1.npz"), count=3)),
    ]

    assert len(set(keys)) == len(keys)
    model.rename(tmp_path / "moved.onnx")
    assert keys[0] == job_key(tool, Job(model=tmp_path / "moved.onnx", samples=Path("samples-1.npz"), count=3))


def test_every_network_has_a_name_of_its_own_and_says_what_is_missing(tmp_path: Path) -> None:
    cases = cases_in(tmp_path)

    assert cases["vit_32"].missing == [tmp_path / "vit_32.onnx", tmp_path / "vit_32.npz"]
    assert cases["digits_resnet8"].missing == []
    assert len({tool.name for tool in RIVALS}) == len(RIVALS) == 7


@dataclass(frozen=True, slots=True)
class Broken:
    """A rival that always fails."""

    name: str = "broken"
    missing: str = ""
    version: str = "1"

    def command(self, job: Job, output: Path) -> list[str]:
        return ["/bin/sh", "-c", f"echo 'ValueError: cannot take {job.count}' >&2; exit 3", str(output)]


@pytest.fixture
def small_case(small_models, save_model, tmp_path: Path) -> Case:
    model = save_model(small_models.conv())
    generator = np.random.default_rng(0)
    data = tmp_path / "data.npz"
    np.savez(data, x=generator.standard_normal((40, 3, 8, 8)).astype(np.float32), y=generator.integers(0, 5, 40))
    return Case(name="small", model=model, data=data, samples=10, is_trained=True)


def test_one_draw_gives_a_row_per_tool_with_bars_in_ours_and_a_rival_that_fails_says_why(
    small_case: Case, tmp_path: Path
) -> None:
    rival = OnnxRuntime("MinMax", "U8S8")

    rows = list(accuracy.rows(small_case, Edgeopt(), [rival, Broken()], Workshop(tmp_path), draws=1))

    assert [row[1] for row in rows] == ["edgeopt", rival.name, "broken"]
    assert all(len(row) == len(accuracy.HEADER) for row in rows)
    assert f"({rival.name}, one more)" in rows[0][-1]
    assert rows[1][5].endswith(" dB")
    assert rows[2][-1] == "failed: ValueError: cannot take 10"


@pytest.mark.slow
def test_what_a_rival_made_is_taken_from_the_folder_and_what_edgeopt_made_is_made_again(
    small_case: Case, tmp_path: Path
) -> None:
    shop = Workshop(tmp_path)
    job = shop.job(small_case, small_case.split(0).calibration)
    rival = OnnxRuntime("MinMax", "U8S8")
    first, ours = shop.make(rival, job), shop.make(Edgeopt(), job)
    assert not first.error
    assert not ours.error

    Path(first.path).write_bytes(b"kept")
    Path(ours.path).write_bytes(b"old")

    assert shop.make(rival, job) == first
    assert Path(first.path).read_bytes() == b"kept"
    assert shop.make(Edgeopt(), job).path == ours.path
    assert Path(ours.path).read_bytes() != b"old"


def test_every_tool_calibrates_on_the_very_samples_that_were_drawn(small_case: Case, tmp_path: Path) -> None:
    calibration = small_case.split(1).calibration
    job = Workshop(tmp_path).job(small_case, calibration)

    with np.load(job.samples) as written:
        assert set(written["part"]) == {"calibration"}
        np.testing.assert_array_equal(written["image"], calibration.inputs["image"])


@pytest.mark.peers
def test_nncf_quantizes_in_its_own_environment(small_case: Case, tmp_path: Path) -> None:
    tool = Nncf()
    if tool.missing:
        pytest.skip(tool.missing)
    shop = Workshop(tmp_path)

    made = shop.make(tool, shop.job(small_case, small_case.split(0).calibration))

    assert not made.error
    operators = {node.op_type for node in onnx.load(made.path).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators


def test_a_model_that_crashes_the_runtime_is_an_error_and_not_our_end(
    small_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "_scores", crash)

    assert workshop.scores_in_child(small_case.artifact(), small_case.split(0).judged) == "ONNX Runtime crashed on it"


def crash(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_file_that_is_no_model_is_an_error(small_case: Case, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    made = workshop.Made(tool="rival", path=str(broken), seconds=1.0, peak_bytes=1)

    said = Workshop(tmp_path).judged(made, small_case.split(0).judged)

    assert isinstance(said, str)
    assert "broken.onnx" in said


@pytest.mark.slow
def test_speed_has_a_row_per_tool_and_names_the_rival_that_it_is_held_against(small_case: Case, tmp_path: Path) -> None:
    rival = OnnxRuntime("MinMax", "U8S8")

    rows = list(speed.rows(small_case, Edgeopt(), [rival, Broken()], Workshop(tmp_path), processes=2))

    by_tool = {row[1]: row for row in rows}
    assert by_tool.keys() == {"edgeopt", "edgeopt --prefer latency", rival.name, "broken"}
    assert f"of {rival.name}" in by_tool["edgeopt"][-1]
    assert by_tool["broken"][-1].startswith("failed: ")
