"""What people copy from docs/ci.md runs: workflows, the action, the hooks and the tests.

The `run:` and `script:` lines run with bash, as a runner runs them, in a folder with the bundled model. `pip` is one
that only notes what it is asked for; what steps of other projects do (`uses: actions/...`) is left out.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import edgeopt

yaml = pytest.importorskip("yaml", reason="it comes with the test extra")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the steps are for bash")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
TEMPLATES = ROOT / "edgeopt" / "workflow" / "templates"
_BLOCK = re.compile(r"(?:<!-- ([^\n]*) -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPRESSION = re.compile(r"\$\{\{ ([\w.]+) \}\}")


@dataclass
class Runner:
    """Runs steps as GitHub's runner does: files for outputs and the summary, expressions filled in."""

    folder: Path
    commands: Path
    values: dict[str, str] = field(default_factory=dict)

    @property
    def installed(self) -> list[str]:
        """What pip was asked for."""
        asked = self.commands / "asked"
        return asked.read_text().splitlines() if asked.exists() else []

    @property
    def summary(self) -> str:
        """What the page of the job shows."""
        return (self.commands / "summary").read_text(encoding="utf-8")

    def filled(self, text: str) -> str:
        """`text` with its expressions replaced by their values."""
        return _EXPRESSION.sub(lambda match: self.values[match[1]], text)

    def shell(self, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A `run:` of a step."""
        places = {
            "GITHUB_OUTPUT": str(self.commands / "output"),
            "GITHUB_STEP_SUMMARY": str(self.commands / "summary"),
            "GITHUB_WORKSPACE": str(self.folder),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_ACTIONS": "true",
            "PATH": os.pathsep.join([str(self.commands), str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **places, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def run(self, steps: list[dict[str, Any]], name: str = "") -> int:
        """The steps of a job or an action: exit code of the first that fails, after which only `always()` runs."""
        failed = 0
        for step in steps:
            if failed and step.get("if") != "always()":
                continue
            code = self._step(step, name)
            failed = failed or code
        return failed

    def _step(self, step: dict[str, Any], name: str) -> int:
        if "OWNER/edgeopt@" in step.get("uses", ""):
            return self._action(step.get("with", {}), step["id"])
        if "run" not in step:
            return 0
        environ = {key: self.filled(value) for key, value in step.get("env", {}).items()}
        result = self.shell(self.filled(step["run"]), **environ)
        output = self.commands / "output"
        for line in output.read_text().splitlines() if output.exists() else []:
            key, _, value = line.partition("=")
            self.values[f"steps.{step['id']}.outputs.{key}"] = value
        output.unlink(missing_ok=True)
        print(name, step["run"], result.stdout, result.stderr, sep="\n")  # noqa: T201  pytest shows it where a test fails
        return result.returncode

    def _action(self, given: dict[str, str], name: str) -> int:
        action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
        assert set(given) <= set(action["inputs"])
        inputs = {key: given.get(key, entry["default"]) for key, entry in action["inputs"].items()}
        inner = Runner(self.folder, self.commands, {f"inputs.{key}": value for key, value in inputs.items()})
        code = inner.run(action["runs"]["steps"], name)
        for key, entry in action["outputs"].items():
            self.values[f"steps.{name}.outputs.{key}"] = inner.filled(entry["value"])
        return code


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A checkout with the bundled model, its data and a configuration that times nothing; and a pip that only notes."""
    folder, commands = tmp_path / "checkout", tmp_path / "commands"
    folder.mkdir()
    commands.mkdir()
    for name in ("digits_resnet8.onnx", "digits.npz"):
        shutil.copyfile(ROOT / "models" / name, folder / name)
    config = folder / "edgeopt.toml"
    edgeopt.init(folder / "digits_resnet8.onnx", output=config, data=folder / "digits.npz")
    config.write_text(re.sub(r'\n    "latency.*', "", config.read_text(encoding="utf-8")), encoding="utf-8")
    pip = commands / "pip"
    pip.write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/asked"\n')
    pip.chmod(0o755)
    return Runner(folder, commands)


def blocks(language: str) -> list[tuple[str, str]]:
    """(comment above, text) of the page's blocks."""
    return [(note, text) for note, kind, text in _BLOCK.findall(PAGE) if kind == language]


def block(language: str, note: str) -> Any:
    """The one YAML document of the page below a comment, or that holds a text."""
    (found,) = [text for above, text in blocks(language) if note in above or note in text]
    return yaml.safe_load(found)


def cases(path: Path) -> list[ElementTree.Element]:
    return ElementTree.parse(path).findall("*/testcase")


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_page_shows_what_init_writes(name: str) -> None:
    shown = [text for note, text in blocks("yaml") if note.endswith(f"templates/{name}")]

    assert shown == [(TEMPLATES / name).read_text(encoding="utf-8")]


def test_the_github_workflow_runs(runner: Runner) -> None:
    workflow = block("yaml", "templates/github.yml")
    (job,) = workflow["jobs"].values()
    kept = next(step["with"]["path"] for step in job["steps"] if "upload-artifact" in step.get("uses", ""))

    assert runner.run(job["steps"]) == 0
    assert runner.installed == ["install edgeopt"]
    assert "## edgeopt gate: passed" in runner.summary
    assert len(cases(runner.folder / kept)) == 2


@pytest.mark.parametrize(("rule", "code"), [("size <= 1 B", 3), ("energy <= 1 J", 4)])
def test_the_github_workflow_fails_with_the_gate(runner: Runner, rule: str, code: int) -> None:
    config = runner.folder / "edgeopt.toml"
    config.write_text(config.read_text("utf-8").replace("size <= baseline", rule), encoding="utf-8")
    (job,) = block("yaml", "templates/github.yml")["jobs"].values()

    assert runner.run(job["steps"]) == code
    assert f"`{rule}`" in runner.summary
    assert len(cases(runner.folder / "edgeopt-junit.xml")) == 2


def test_the_gitlab_job_runs(runner: Runner) -> None:
    job = block("yaml", "templates/gitlab.yml")["edgeopt"]
    result = runner.shell("\n".join(job["script"]), GITHUB_ACTIONS="", GITHUB_STEP_SUMMARY="")

    assert (result.returncode, runner.installed) == (0, ["install edgeopt"])
    assert len(cases(runner.folder / job["artifacts"]["reports"]["junit"])) == 2
    assert [(runner.folder / path).stat().st_size > 0 for path in job["artifacts"]["paths"]] == [True]


def test_the_steps_with_the_action_run(runner: Runner) -> None:
    code = runner.run(block("yaml", "the steps of a job"))

    assert code == 0
    assert runner.installed == [f"install {ROOT}"]
    assert runner.values["steps.edgeopt.outputs.verdict"] == "passed"
    assert "`size <= 200 KB`" in runner.summary
    assert len(cases(runner.folder / runner.values["steps.edgeopt.outputs.junit"])) == 3


@pytest.mark.parametrize(
    ("given", "verdict", "code"),
    [
        ({"args": "--rule\nsize <= 1 B\n"}, "failed", 3),
        ({"args": "--rule\nenergy <= 1 J"}, "undecided", 4),
        ({"config": "missing.toml"}, "error", 2),
        ({"args": "--rule\n$(touch owned) `touch owned`; touch owned\n"}, "error", 2),
        ({"config": '"; touch owned; "'}, "error", 2),
    ],
)
def test_the_action_gives_the_verdict_also_when_it_fails(
    runner: Runner, given: dict[str, str], verdict: str, code: int
) -> None:
    step = {"uses": "OWNER/edgeopt@v1", "id": "gate", "with": given}

    assert runner.run([step]) == code
    assert runner.values["steps.gate.outputs.verdict"] == verdict
    assert not (runner.folder / "owned").exists()


def test_the_action_installs_what_it_is_told(runner: Runner) -> None:
    step = {"uses": "OWNER/edgeopt@v1", "id": "gate", "with": {"install": "edgeopt==0.1.0"}}
    runner.run([step])

    assert runner.installed == ["install edgeopt==0.1.0"]


def test_no_input_of_the_action_becomes_text_of_a_script() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]

    assert scripts
    assert [script for script in scripts if "${{" in script] == []
    assert all(step["shell"] == "bash" for step in action["runs"]["steps"] if "run" in step)


def test_the_page_lists_the_inputs_of_the_action_with_their_defaults() -> None:
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    listed = re.findall(
        r"^\| `([\w-]+)` \| (.+?) \|", PAGE.partition("| input |")[2].partition("\n\n")[0], re.MULTILINE
    )

    assert [name for name, _ in listed] == list(inputs)
    assert [default.strip("`") for _, default in listed if default.startswith("`")] == [
        str(entry["default"]) for entry in inputs.values() if entry["default"]
    ]


def hook(name: str) -> dict[str, Any]:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    (found,) = [entry for entry in hooks if entry["id"] == name]
    return found


def hook_result(runner: Runner, name: str, files: list[str]) -> subprocess.CompletedProcess[str]:
    """A hook as pre-commit calls it: its entry split as a shell would, and the files that it asks for."""
    entry = hook(name)
    asked = [file for file in files if re.search(entry["files"], file)]
    given = asked if entry.get("pass_filenames", True) else []
    command = shlex.join([*shlex.split(entry["entry"]), *given])
    return runner.shell(command, GITHUB_ACTIONS="") if asked else runner.shell("true")


def test_the_page_names_hooks_that_there_are() -> None:
    (repository,) = block("yaml", "rev:")["repos"]

    assert [hook(entry["id"])["id"] for entry in repository["hooks"]] == ["edgeopt-inspect", "edgeopt-gate"]


def test_the_inspect_hook_takes_good_models_and_refuses_others(runner: Runner) -> None:
    shutil.copyfile(runner.folder / "digits_resnet8.onnx", runner.folder / "it's a copy.onnx")
    (runner.folder / "pointer.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    good = ["digits_resnet8.onnx", "it's a copy.onnx"]
    taken = hook_result(runner, "edgeopt-inspect", [*good, "README.md"])
    refused = hook_result(runner, "edgeopt-inspect", ["pointer.onnx", *good])

    assert (taken.returncode, taken.stdout, taken.stderr) == (0, "", "")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "pointer.onnx" in refused.stderr


@pytest.mark.parametrize(("rule", "code"), [("size <= baseline", 0), ("size <= 1 B", 3)])
@pytest.mark.parametrize("changed", ["edgeopt.toml", "models/some.onnx"])
def test_the_gate_hook_judges_when_a_model_or_a_rule_changes(
    runner: Runner, changed: str, rule: str, code: int
) -> None:
    config = runner.folder / "edgeopt.toml"
    config.write_text(config.read_text("utf-8").replace("size <= baseline", rule), encoding="utf-8")

    assert hook_result(runner, "edgeopt-gate", [changed]).returncode == code


@pytest.mark.parametrize("changed", ["README.md", "my_edgeopt.toml", "model.onnx.bak"])
def test_the_gate_hook_leaves_other_changes_alone(changed: str) -> None:
    assert not re.search(hook("edgeopt-gate")["files"], changed)


@pytest.mark.slow
def test_the_tests_of_the_page_run(runner: Runner) -> None:
    (text,) = [text for _, text in blocks("python") if "edgeopt_compare" in text]
    (runner.folder / "test_model.py").write_text(text, encoding="utf-8")
    (runner.folder / "conftest.py").write_text("from edgeopt.pytest_plugin import edgeopt_bench, edgeopt_compare\n")
    model, data = (runner.folder / name for name in ("digits_resnet8.onnx", "digits.npz"))
    edgeopt.quantize(model, data=data, output=runner.folder / "small.onnx", measure=False)
    result = runner.shell(f"{shlex.quote(sys.executable)} -m pytest -q", PYTHONPATH=str(ROOT))

    assert "3 passed" in result.stdout, result.stdout
