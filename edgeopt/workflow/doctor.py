"""`edgeopt doctor`: what is installed, what can be measured here, and what mends the rest."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from edgeopt._optional import EXTRAS, pip_line
from edgeopt._version import __version__
from edgeopt.core.host import host_processor, usable_cpus
from edgeopt.core.target import host_target
from edgeopt.measure.environment import environment, governor, load_average
from edgeopt.steps.quantize.types import int8_types

_REQUIRED = ("numpy", "onnx", "onnx-ir", "onnxruntime", "click", "pydantic", "rich")
_SERVES = {
    "images": "read folders of images",
    "tables": "read .parquet files",
    "tflite": "run TFLite models",
}


def doctor() -> dict[str, Any]:
    """Checks, each with `name`, `state` (`ok`, `missing`, `noisy` or `unknown`), `detail` and what mends it."""
    checks = [_check("edgeopt", "ok", __version__), *_packages(), *_extras(), *_machine()]
    return {"environment": environment(), "checks": checks}


def _check(name: str, state: str, detail: str, mend: str = "") -> dict[str, str]:
    return {"name": name, "state": state, "detail": detail, "mend": mend}


def _packages() -> list[dict[str, str]]:
    checks = []
    for package in _REQUIRED:
        try:
            checks.append(_check(package, "ok", version(package)))
        except PackageNotFoundError:
            checks.append(
                _check(package, "missing", "needed by edgeopt itself", "pip install --force-reinstall edgeopt")
            )
    return checks


def _extras() -> list[dict[str, str]]:
    checks = []
    for extra, purpose in _SERVES.items():
        modules = [module for module, name in EXTRAS.items() if name == extra]
        absent = [module for module in modules if find_spec(module) is None]
        state, mend = ("missing", pip_line(extra)) if absent else ("ok", "")
        checks.append(_check(f"[{extra}]", state, f"to {purpose}", mend))
    return checks


def _machine() -> list[dict[str, str]]:
    processor, types = host_processor(), int8_types(host_target())
    isa = " ".join(sorted(processor.isa)) or "no known flags"
    load, clock = load_average(), governor()
    busy = load is not None and load > 0.7 * len(usable_cpus())
    return [
        _check("processor", "ok", f"{processor.model}, {processor.cores} cores, {isa}"),
        _check("int8 here", "ok", f"{types.activations} activations, {types.as_json()['weight_bits']}-bit weights"),
        _check(
            "load",
            "unknown" if load is None else "noisy" if busy else "ok",
            "not told by this system" if load is None else f"{load:g} on {len(usable_cpus())} cores",
            "stop other work before `edgeopt bench`" if busy else "",
        ),
        _check(
            "clock",
            "unknown" if clock is None else "ok" if clock == "performance" else "noisy",
            "governor not told by this system" if clock is None else f"governor `{clock}`",
            "sudo cpupower frequency-set -g performance" if clock not in (None, "performance") else "",
        ),
    ]
