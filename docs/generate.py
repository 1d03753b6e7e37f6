"""Writes the pages that are made from the code: `docs/cli.md`, `docs/configuration.md` and `docs/operators.md`.

`python docs/generate.py` writes them; with `--check` it writes nothing and exits 1 when one is stale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from edgeopt.cli.main import COMMANDS, cli
from edgeopt.core.config import Config
from edgeopt.judge.rules import RULE_METRICS, SLICED
from edgeopt.steps import STEPS
from edgeopt.steps.tflite.beyond import BEYOND
from edgeopt.steps.tflite.control import MOST_NODES
from edgeopt.steps.tflite.operators import OPERATORS

FOLDER = Path(__file__).resolve().parent
WIDTH = 100  # columns; a terminal's own width would make the page differ from machine to machine
NOTE = "<!-- Made by docs/generate.py; change that or what it reads, then run `make docs`. -->"

NAMES: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
PLURALS: dict[Any, str] = {str: "text", float: "numbers", dict: "tables"}
# key of edgeopt.toml -> what it means; the types and defaults are the models' own
MEANINGS: dict[str, str] = {
    "schema": "Format of the file.",
    "model.path": "The trained model, an `.onnx` file. Paths start where the configuration lies.",
    "data.path": "Samples to calibrate and judge on: see [data](data.md).",
    "data.samples": "Calibration samples to draw. They never count in accuracy.",
    "data.slices": "Columns to compare both models by; without any, all of 2 to 20 values.",
    "data.cluster": "Column of samples that depend on each other, as frames of one video: bounds are over its values.",
    "data.metric": "The metric by which both models are compared; without one the task's. A rule names its own.",
    "preprocess.scale": "Factor on raw values, applied first; 1/255 brings bytes to 0 to 1.",
    "preprocess.mean": "Subtracted after scaling: one number, or one per channel.",
    "preprocess.std": "Divides last: one positive number, or one per channel.",
    "preprocess.layout": "Layout of the data, where the model has another.",
    "recipe.steps": "Steps in order, each a table of one key: the step and its options (see below).",
    "bench.targets": "Where latency matters. Only `host` is measured yet; others are named in a warning.",
    "bench.threads": "Threads per inference, pinned to cores.",
    "bench.processes": "Fresh processes to time in.",
    "gate.baseline": "A record to hold the candidate against, written by `edgeopt gate --accept`, or `store` for the "
    "run that was accepted last in the local record; without one the original model is the baseline.",
    "gate.rules": "What is demanded (see below).",
    "gate.undecided": "What undecided rules make of the whole: `fail` exits 4, `pass` and `warn` exit 0.",
    "gate.estimates": "Whether a figure that is an estimate may decide a rule; refused, the rule is undecided.",
    "gate.waiver[].rule": "The rule, letter for letter.",
    "gate.waiver[].until": "Last day on which it may be broken.",
    "gate.waiver[].by": "Who says so.",
    "gate.waiver[].reason": "Why.",
}
# option of a step -> what it means
STEP_MEANINGS: dict[str, str] = {
    "convert.to": "The format.",
    "convert.layout": "`nhwc`: images at inputs and outputs have their channels last, where the model has them first.",
    "convert.io": "Type of inputs and outputs of a quantized model.",
    "convert.inputs": "Shapes of inputs with free axes, as in `image=1x3x32x32`; a free first axis is 1 by default.",
    "convert.via": "Another converter that is installed, in edgeopt's place: see [converting](convert.md).",
    "convert.via_python": "The Python that has it, where it is not edgeopt's own.",
    "convert.via_timeout": "Seconds that it may take.",
    "quantize.scheme": "Static int8, which `auto` is too, or another of the [schemes](schemes.md).",
    "quantize.per_channel": "int8, int8-dynamic: one scale per output channel of a weight; else one per weight.",
    "quantize.target": "The device whose kernels the types suit.",
    "quantize.range": "int8: how ranges of activations are taken: `minmax`, `percentile`, `entropy` or `mse`. `auto`, "
    "here and below, tries the alternatives on samples held back, and keeps what is best.",
    "quantize.equalize": "int8: cross-layer equalization; left out, it is tried.",
    "quantize.smooth": "int8: SmoothQuant behind layer norms; left out, it is tried.",
    "quantize.weight_range": "int8: how ranges of weights are taken: `minmax` or `mse`.",
    "quantize.rounding": "int8, int4-weights: how weights are rounded: `nearest`, `gptq` or, int8 alone, `adaround`.",
    "quantize.bias_correction": "int8: take the mean error of rounded weights off the biases; left out, it is tried.",
    "quantize.keep_float": "Names of nodes that stay float.",
    "quantize.measured": "int8: find nodes that are slower in int8 on this machine, and leave them float. The command "
    "does so where it measures.",
    "quantize.prefer": "int8, measured: `size` lets nodes go float whose weights hardly count, `latency` all.",
    "quantize.statistics": "int8: folder that statistics of activations are kept in, and taken from for the same model "
    "and samples.",
    "quantize.block_size": "int4-weights: weights that share a scale: 16, 32, 64, 128 or 256.",
    "quantize.io": "fp16: type of the model's float inputs and outputs.",
}
# metric that takes no baseline -> why, where that is not the usual
_WITH_ORIGINAL = "compares with the original already"
_COMPARED: dict[str, str] = {"slowdown": "compares with the beginning of the soak already"}
RULE_MEANINGS: dict[str, str] = {
    "accuracy": "share of samples whose largest score is the label's",
    "top5": "share of samples whose label is among the five largest scores",
    "f1": "mean over classes of F1",
    "auc": "area under the ROC curve, for two classes",
    "ks": "largest distance between the score distributions of both classes (Kolmogorov-Smirnov), for two classes",
    "log_loss": "mean of minus the logarithm of the probability that the label was given",
    "brier": "mean squared distance of the probabilities from the label",
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "flip_rate": "share of predictions that differ from the original's, right or wrong",
    "sqnr": "signal to quantization noise of the first output",
    "size": "bytes of the model file and its external data",
    "memory": "peak resident memory of a process that does nothing but infer with the model",
    "load": "time to load the model",
    "latency": "time per inference; `.p50` and `.median` are the same, `.p90` is the 90th percentile",
    "slowdown": "how much longer a call takes in the last third of a soak than in the first: see "
    "[sustained speed](measuring.md#sustained-speed); a gate does not soak, it reads the record",
    "instructions": "instructions per inference; cannot be measured yet, so such a rule is undecided",
    "energy": "energy per inference; cannot be measured yet, so such a rule is undecided",
}


def main() -> None:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="Make the pages of docs/ that come from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is stale")
    is_check = parser.parse_args().check
    stale = stale_pages()
    for name in stale:
        if is_check:
            sys.stderr.write(f"docs/{name} is stale: run `make docs`\n")
        else:
            (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
            sys.stdout.write(f"wrote docs/{name}\n")
    sys.exit(1 if stale and is_check else 0)


def stale_pages() -> list[str]:
    """Names of the pages that do not say what the code says."""
    return [name for name, page in PAGES.items() if _text_of(FOLDER / name) != page()]


def cli_page() -> str:
    """Every command's own help."""
    parts = [
        NOTE,
        "# The command line",
        "Every command takes `--json`, `--quiet`, `--verbose`, `--seed` and `--help`. Data goes to stdout, talk and "
        "warnings go to stderr. Exit codes are explained in [gate](gate.md#exit-codes).",
        f"## edgeopt\n\n{_help_block(cli, None, 'edgeopt')}",
    ]
    root = _context(cli, None, "edgeopt")
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        parts += [f"## edgeopt {name}\n\n{_help_block(command, root, name)}", *_subcommands(command, root, name)]
    return "\n\n".join(parts) + "\n"


def configuration_page() -> str:
    """The template with its tables filled in."""
    tables = {"keys": _keys_tables(), "steps": _steps_tables(), "metrics": _metrics_table()}
    text = f"{NOTE}\n\n" + (FOLDER / "configuration.md.in").read_text(encoding="utf-8")
    for name, table in tables.items():
        text = text.replace(f"@{name}@", table)
    return text


def operators_page() -> str:
    """What each operator of ONNX becomes in TFLite, and what is out of reach."""
    rows = [
        (f"`{name}`", operator.becomes, "yes" if operator.is_integer else "no", operator.note)
        for name, operator in sorted(OPERATORS.items(), key=lambda item: item[0].lower())
    ]
    beyond = [
        (", ".join(f"`{name}`" for name in each.operators), each.reason, each.rewrite)
        for each in sorted(BEYOND, key=lambda each: each.operators)
    ]
    parts = [
        NOTE,
        "# Operators in TFLite",
        "`edgeopt convert MODEL.onnx -o MODEL.tflite` writes these operators of the standard domain. *Int8* operators "
        "compute, or move, int8 integers between quantized tensors; the others compute in float32 there. Files hold "
        "TFLite's own operators only, no custom ones. What becomes of every test case of the `onnx` package is in "
        "[the scoreboard](results/tflite-scoreboard.md).",
        _table(("operator", "becomes", "int8", "not converted"), rows),
        "## Written out",
        "An operator that the table lacks, and that the ONNX standard defines by others (`Attention`, "
        "`RotaryEmbedding`, `SoftmaxCrossEntropyLoss` and more), becomes those; functions of a model's own do, too. "
        "What follows from constants is computed in the conversion.",
        "An `If` with a known condition becomes the branch that is taken, another one both branches and a choice of "
        "their results. A `Loop` with a constant number of rounds, and a `Scan`, become their bodies one after the "
        f"other, up to {MOST_NODES:,} operators.",
        "## Out of reach",
        "These are refused, with exit code 6, the node, the reason and what to write instead.",
        _table(("operators", "why: it", "instead"), beyond),
    ]
    return "\n\n".join(parts) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "configuration.md": configuration_page,
    "operators.md": operators_page,
}


def _context(command: click.Command, parent: click.Context | None, name: str) -> click.Context:
    settings: dict[str, Any] = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    return click.Context(command, parent=parent, info_name=name, **settings)


def _help_block(command: click.Command, parent: click.Context | None, name: str) -> str:
    lines = command.get_help(_context(command, parent, name)).splitlines()
    return "\n".join(["```text", *(line.rstrip() for line in lines), "```"])


def _subcommands(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        return
    context = _context(command, parent, name)
    for inner in command.list_commands(context):
        found = command.get_command(context, inner)
        assert found is not None
        yield f"### edgeopt {name} {inner}\n\n{_help_block(found, context, inner)}"


def _keys_tables() -> str:
    """A table per TOML table; every key needs a meaning, and every meaning a key."""
    tables = dict(_toml_tables(Config, ""))
    keys = [f"{prefix}.{key}".lstrip(".") for prefix, model in tables.items() for key in _own_keys(model)]
    _require_same("edgeopt.toml", keys, list(MEANINGS))
    return "\n\n".join(_keys_table(prefix, model) for prefix, model in tables.items())


def _toml_tables(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield prefix, model
    for name, field in model.model_fields.items():
        inner = _inner_model(field.annotation)
        if inner:
            mark = "[]" if _is_list(field.annotation) else ""
            yield from _toml_tables(inner, f"{prefix}.{_key(name, field)}{mark}".lstrip("."))


def _own_keys(model: type[BaseModel]) -> list[str]:
    return [_key(name, field) for name, field in model.model_fields.items() if not _inner_model(field.annotation)]


def _keys_table(prefix: str, model: type[BaseModel]) -> str:
    title = f"`[[{prefix[:-2]}]]`" if prefix.endswith("[]") else f"`[{prefix}]`" if prefix else "At the top"
    rows = []
    for name, field in model.model_fields.items():
        if not _inner_model(field.annotation):
            key = _key(name, field)
            meaning = MEANINGS[f"{prefix}.{key}".lstrip(".")]
            rows.append((f"`{key}`", _type_text(field.annotation, field.metadata), _default_text(field), meaning))
    return f"## {title}\n\n{_table(('key', 'type', 'default', 'meaning'), rows)}"


def _steps_tables() -> str:
    """A table of options per step."""
    parts, found = [], []
    for name, reference in STEPS.items():
        module, _, attribute = reference.partition(":")
        step: Any = getattr(import_module(module), attribute)
        hints = get_type_hints(step)
        found += [f"{name}.{field.name}" for field in fields(step)]
        rows = [
            (
                f"`{field.name}`",
                _type_text(hints[field.name], []),
                _step_default(field.default),
                STEP_MEANINGS.get(f"{name}.{field.name}", ""),
            )
            for field in fields(step)
        ]
        table = _table(("option", "type", "default", "meaning"), rows) if rows else "It has no options."
        parts.append(f"### `{name}`\n\n{table}")
    _require_same("the steps", found, list(STEP_MEANINGS))
    return "\n\n".join(parts)


def _step_default(default: Any) -> str:
    if default is MISSING:
        return "required"
    return "none" if default is None else f"`{_toml(default)}`"


def _metrics_table() -> str:
    _require_same("the rules", list(RULE_METRICS), list(RULE_MEANINGS))
    rows = [
        (
            f"`{name}`",
            _unit(metric.dimension),
            " or ".join(_unit(dimension) for dimension in metric.relative) or _COMPARED.get(name, _WITH_ORIGINAL),
            "yes" if name in SLICED else "no",
            RULE_MEANINGS[name],
        )
        for name, metric in RULE_METRICS.items()
    ]
    return _table(("metric", "limit in", "around the baseline in", "slices", "is"), rows)


def _unit(dimension: str) -> str:
    return "a plain number" if dimension == "1" else f"`{dimension}`"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _require_same(what: str, found: list[str], described: list[str]) -> None:
    different = sorted(set(found) ^ set(described))
    if different:
        sys.exit(f"docs/generate.py does not describe {what} as it is: {', '.join(different)}")


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _inner_model(kind: Any) -> type[BaseModel] | None:
    found = (part for part in (kind, *get_args(kind)) if isinstance(part, type) and issubclass(part, BaseModel))
    return next(found, None)


def _type_text(kind: Any, constraints: list[Any]) -> str:
    parts = [part for part in get_args(kind) if part is not type(None) and part is not Ellipsis]
    if get_origin(kind) is Literal:
        text = " or ".join(f"`{_toml(value)}`" for value in parts)
    elif get_origin(kind) is tuple:
        text = f"list of {PLURALS[get_origin(parts[0]) or parts[0]]}"
    elif get_origin(kind) is Union or type(kind).__name__ == "UnionType":
        text = _type_text(parts[0], [])
    else:
        text = NAMES.get(kind, kind.__name__)
    least = next((str(limit.ge) for limit in constraints if hasattr(limit, "ge")), "")
    return text + (f", at least {least}" if least else "")


def _default_text(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    return "none" if field.default is None else f"`{_toml(field.default)}`"


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }" if value else "{}"
    return str(value)


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    main()
