"""Run by a Python that has litert-torch, which need not have edgeopt: PROGRAM.pt2 and OUT.tflite are its arguments."""

from __future__ import annotations

import sys
from importlib import import_module


def main(program: str, output: str) -> None:
    """Convert an exported program with the example inputs that it holds."""
    torch, litert_torch = import_module("torch"), import_module("litert_torch")
    exported = torch.export.load(program)
    args, _ = exported.example_inputs
    litert_torch.convert(exported.module(), args).export(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
