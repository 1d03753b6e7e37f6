"""The package as a whole: a light import, a program that starts fast, the functions that it offers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import edgeopt

FRAMEWORKS = ("torch", "onnx", "onnxruntime", "onnx_ir", "sklearn", "pyarrow", "PIL", "ai_edge_litert")
WALK = """
import importlib, json, pkgutil, sys
import edgeopt
names = [module.name for module in pkgutil.walk_packages(edgeopt.__path__, "edgeopt.") if "__main__" not in module.name]
skipped = json.loads(sys.argv[1])
for name in names:
    if name not in skipped:
        importlib.import_module(name)
print(json.dumps([names, sorted(sys.modules)]))
"""
# pytest loads the plug-in itself, so that it may need pytest.
NEEDS_PYTEST = ["edgeopt.pytest_plugin"]


def loaded_by(code: str, *arguments: str) -> list[str]:
    """Modules that are loaded after `code` ran in a process of its own."""
    code = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    modules: list[str] = json.loads(result.stdout.splitlines()[-1])
    return modules


def test_importing_any_module_loads_no_framework() -> None:
    result = subprocess.run(
        [sys.executable, "-c", WALK, json.dumps(NEEDS_PYTEST)], capture_output=True, text=True, check=True
    )

    names, loaded = json.loads(result.stdout)
    assert len(names) > 60
    assert [name for name in FRAMEWORKS if name in loaded] == []


def test_importing_the_package_loads_next_to_nothing() -> None:
    loaded = loaded_by("import edgeopt")

    assert not {"numpy", "click", "pydantic", "rich", *FRAMEWORKS} & set(loaded)
    assert [name for name in loaded if name.startswith("edgeopt.")] == ["edgeopt._version"]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["quantize", "--help"], ["gate", "--help"]])
def test_help_needs_neither_numpy_nor_pydantic_nor_rich(arguments: list[str]) -> None:
    loaded = loaded_by(
        "import sys\n"
        f"sys.argv = ['edgeopt', *{arguments!r}]\n"
        "from edgeopt.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )

    assert not {"numpy", "pydantic", "rich", "asyncio", *FRAMEWORKS} & set(loaded)


def test_judge_and_report_need_nothing_but_numpy_pydantic_and_rich() -> None:
    loaded = loaded_by("import edgeopt.judge.gate, edgeopt.judge.compare, edgeopt.report.text")

    assert not {"onnx", "onnxruntime", "click", "scipy", "pandas"} & set(loaded)


@pytest.mark.parametrize("name", edgeopt.__all__)
def test_every_name_of_the_public_api_is_there(name: str) -> None:
    assert getattr(edgeopt, name)
    assert name in dir(edgeopt)


def test_the_functions_are_those_of_the_commands() -> None:
    from edgeopt.workflow.quantize import quantize

    functions = [getattr(edgeopt, name) for name in edgeopt.__all__ if not name.startswith("_")]
    assert edgeopt.quantize is quantize
    assert all(callable(function) and function.__doc__ for function in functions)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module `edgeopt` has no attribute `quantise`"):
        _ = edgeopt.quantise


def test_the_package_can_be_run_as_a_module() -> None:
    result = subprocess.run([sys.executable, "-m", "edgeopt", "--version"], capture_output=True, text=True, check=True)

    assert result.stdout == f"edgeopt {edgeopt.__version__}\n"
