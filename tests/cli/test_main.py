"""The program itself: help, versions, completion, bugs, and what a terminal is spared."""

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from edgeopt import __version__
from edgeopt.cli import main as module
from edgeopt.cli.main import COMMANDS, cli
from edgeopt.errors import InputError

ESCAPE = "\x1b[31mred\x07"


def test_the_version_is_told(edgeopt):
    assert edgeopt("--version").out == f"edgeopt {__version__}\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command_in_order(edgeopt, flag):
    left = edgeopt(flag)

    shown = [line.split()[0] for line in left.out.partition("Commands:")[2].splitlines() if line.strip()]
    assert left.code == 0
    assert [name for name in shown if name in COMMANDS] == list(COMMANDS)


@pytest.mark.parametrize("arguments", [(), ("targets",)])
def test_without_a_command_help_is_shown_on_stderr(edgeopt, arguments):
    left = edgeopt(*arguments)

    assert (left.code, left.out) == (2, "")
    assert left.err.startswith("Usage: edgeopt")
    assert len(left.err.splitlines()) > 5


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_options_of_all(edgeopt, name):
    left = edgeopt(name, "--help")

    assert (left.code, left.err) == (0, "")
    command = cli.get_command(click.Context(cli), name)
    if not isinstance(command, click.Group) and name != "completion":
        assert all(option in left.out for option in ("--json", "-q, --quiet", "-v, --verbose", "--seed", "-h, --help"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(edgeopt, shell):
    left = edgeopt("completion", shell)

    assert left.code == 0
    assert "_EDGEOPT_COMPLETE" in left.out
    assert "edgeopt" in left.out


def completed(words: str) -> set[str]:
    """What bash is offered behind `words`."""
    environment = {
        "_EDGEOPT_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    result = CliRunner().invoke(cli, env=environment, prog_name="edgeopt", complete_var="_EDGEOPT_COMPLETE")
    return set(result.output.splitlines())


@pytest.mark.parametrize("words", ["edgeopt inspect m --target rpi", "edgeopt targets show rpi"])
def test_completion_of_a_target_offers_names(folder, words):
    assert {"plain,rpi3", "plain,rpi4", "plain,rpi5"} <= completed(words)


def test_completion_of_a_target_offers_files_where_no_name_begins_so(folder):
    assert completed("edgeopt targets show ./my") == {"file,./my"}
    assert completed("edgeopt targets check my") == {"file,my"}


def test_a_command_can_be_invoked_without_the_program(folder):
    result = CliRunner().invoke(cli, ["inspect", "model.onnx", "--json"])

    assert result.exit_code == 0
    assert json.loads(result.stdout)["artifact"]["path"] == "model.onnx"


def test_a_failure_of_a_command_is_the_error_itself(folder):
    result = CliRunner().invoke(cli, ["inspect", "nowhere.onnx"])

    assert isinstance(result.exception, InputError)


def test_a_bug_says_so_with_exit_1_and_shows_its_traceback_when_asked(folder):
    code = (
        "import sys, edgeopt.workflow.inspect as i\n"
        "def broken(*a, **k): raise RuntimeError('what was\\nthat')\n"
        "i.inspect = broken\n"
        "sys.argv = ['edgeopt', 'inspect', 'model.onnx', *sys.argv[1:]]\n"
        "from edgeopt.cli.main import main\n"
        "main()\n"
    )
    plain, verbose, as_json = (
        subprocess.run([sys.executable, "-c", code, *more], capture_output=True, text=True, check=False, cwd=folder)
        for more in ((), ("-v",), ("--json",))
    )

    assert [left.returncode for left in (plain, verbose, as_json)] == [1, 1, 1]
    assert plain.stderr.splitlines() == [
        "error: bug in edgeopt: RuntimeError: what was that",
        "hint: run it again with -v and report what it prints",
    ]
    assert "Traceback" in verbose.stderr
    assert json.loads(as_json.stdout)["error"]["code"] == 1


def test_a_reader_that_goes_away_is_no_failure(monkeypatch, edgeopt):
    def gone(**_options):
        raise BrokenPipeError

    monkeypatch.setattr(cli, "main", gone)
    monkeypatch.setattr(sys.stderr, "close", lambda: None)

    assert edgeopt("inspect").code == 0


def test_other_failures_of_click_are_said_in_the_same_way(monkeypatch, edgeopt):
    def refuse(**_options):
        raise click.FileError("a.txt", hint="no such file")

    monkeypatch.setattr(cli, "main", refuse)

    left = edgeopt("inspect")

    assert (left.code, left.err) == (2, "error: Could not open file 'a.txt': no such file\n")


def hostile(small_models):
    """A model whose names hold escape codes."""
    model = small_models.mlp()
    for node in model.graph.node:
        node.name = f"{ESCAPE}{node.op_type}"
    model.graph.input[0].name = model.graph.node[0].input[0] = f"x{ESCAPE}"
    model.graph.output[0].name = model.graph.node[-1].output[0] = f"y{ESCAPE}\nerror: gate passed"
    return model


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "hostile.onnx"),
        ("quantize", "hostile.onnx", "--no-measure"),
        ("quantize", "hostile.onnx", "--no-measure", "--data", "data.npz"),
        ("evaluate", "hostile.onnx", "--data", "columns.npz"),
        ("init", "hostile.onnx", "--force"),
        ("bench", "hostile.onnx", "--shape", "nothing=3"),
        ("gate", "--rule", f"size <= 1 MB {ESCAPE}"),
        ("gate", "--rule", "slice(room).accuracy >= 1 %"),
        ("inspect", f"{ESCAPE}.onnx"),
        (f"{ESCAPE}",),
    ],
)
def test_escape_codes_of_names_do_not_reach_the_terminal(edgeopt, folder, small_models, arguments):
    import numpy as np

    (folder / "hostile.onnx").write_bytes(hostile(small_models).SerializeToString())
    with np.load("data.npz") as archive:
        named = {f"x{ESCAPE}": archive["x"], "y": archive["y"], f"room{ESCAPE}": np.array([ESCAPE, "hall"] * 450)}
    np.savez("columns.npz", **named)

    left = edgeopt(*arguments)

    assert not {"\x1b", "\x07"} & set(left.out + left.err)
    assert "\nerror: gate passed" not in left.out + left.err
    assert left.code in {0, 2}


def test_names_of_files_are_not_taken_for_markup(edgeopt, folder):
    path = (folder / "model.onnx").rename(folder / "[bold]model[red].onnx")

    assert path.name in edgeopt("inspect", path.name).out


def test_quiet_leaves_the_answer_alone(edgeopt, folder):
    loud = edgeopt("quantize", "model.onnx", "--no-measure", "-o", "a.onnx")
    quiet = edgeopt("quantize", "model.onnx", "--no-measure", "-o", "b.onnx", "-q")

    assert "warning: accuracy is unproven" in loud.err
    assert quiet.err == ""
    assert "written" in quiet.out


def test_bars_are_drawn_only_on_a_terminal(edgeopt, folder, monkeypatch):
    drawn = []
    monkeypatch.setattr("edgeopt.report.progress.progress_bar", lambda: drawn.append(1))

    edgeopt("quantize", "model.onnx", "--no-measure")

    assert drawn == []


def test_the_program_is_installed_under_its_name():
    from importlib.metadata import entry_points

    (point,) = entry_points(group="console_scripts", name="edgeopt")

    assert point.load() is module.main
