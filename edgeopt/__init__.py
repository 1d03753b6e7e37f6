"""Make a trained model small and fast for a named target, measure it, and judge whether it may ship.

The commands are functions too: `edgeopt.quantize("model.onnx", data="eval.npz")`. Each is imported when it is used,
so that `import edgeopt` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeopt._version import __version__ as __version__

if TYPE_CHECKING:
    from edgeopt.workflow.bench import bench as bench
    from edgeopt.workflow.compare import compare as compare
    from edgeopt.workflow.convert import convert as convert
    from edgeopt.workflow.diagnose import diagnose as diagnose
    from edgeopt.workflow.doctor import doctor as doctor
    from edgeopt.workflow.evaluate import evaluate as evaluate
    from edgeopt.workflow.gate import gate as gate
    from edgeopt.workflow.init import init as init
    from edgeopt.workflow.inspect import inspect as inspect
    from edgeopt.workflow.plan_gate import plan_gate as plan_gate
    from edgeopt.workflow.quantize import quantize as quantize
    from edgeopt.workflow.simplify import simplify as simplify

_COMMANDS = (
    "bench",
    "compare",
    "convert",
    "diagnose",
    "doctor",
    "evaluate",
    "gate",
    "init",
    "inspect",
    "plan_gate",
    "quantize",
    "simplify",
)

__all__ = ["__version__", *_COMMANDS]  # noqa: PLE0604  the names are strings


def __getattr__(name: str) -> Any:
    if name in _COMMANDS:
        from importlib import import_module

        return getattr(import_module(f"edgeopt.workflow.{name}"), name)
    raise AttributeError(f"module `edgeopt` has no attribute `{name}`")


def __dir__() -> list[str]:
    return sorted(__all__)
