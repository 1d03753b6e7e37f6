"""litert-torch's conversion of a reference architecture of models/.

    python litert_torch_convert.py ROOT MODULE JSON OUTPUT

ROOT: the folder that holds models/; MODULE: one of its modules; JSON: options of its `build`. Runs in the environment
that `make peers-litert-torch` sets up.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys

import litert_torch


def main() -> None:
    """Convert as asked."""
    root, name, text, output = sys.argv[1:]
    sys.path.insert(0, root)
    module = importlib.import_module(f"models.{name}")
    options = json.loads(text)
    known = inspect.signature(module.example_inputs).parameters
    inputs = module.example_inputs(**{key: value for key, value in options.items() if key in known})
    litert_torch.convert(module.build(**options).eval(), tuple(inputs)).export(output)


if __name__ == "__main__":
    main()
