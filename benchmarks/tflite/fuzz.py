"""Random graphs, converted to TFLite, run by LiteRT with both sets of kernels, and compared with ONNX Runtime.

    python benchmarks/tflite/fuzz.py [--first 0] [--count 200] [--seconds 600] [--keep FOLDER] [--options]

Every outcome but `equal` is told with its seed; `--keep` keeps the models. A native crash ends a child process and is
that graph's outcome. `--options` tries `--layout nhwc` and `--io int8` too, with the product's own proof.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tflite.random_graphs import JUMPS, Graph, random_graph

TOLERANCE = {"float32": 1e-4, "integers": 1e-4, "float16": 2e-2}
_FAULTS_OF_QUANTIZED = 0.15  # root mean square of the difference, relative to that of the output


def main() -> None:
    """Tell what became of the graphs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--options", action="store_true")
    parser.add_argument("--worker", action="store_true")
    wishes = parser.parse_args()
    if wishes.worker:
        work(wishes)
        return
    found: Counter[str] = Counter()
    seed, end, until = wishes.first, wishes.first + wishes.count, time.monotonic() + wishes.seconds
    while seed < end and time.monotonic() < until:
        options = [*(["--keep", str(wishes.keep)] if wishes.keep else []), *(["--options"] if wishes.options else [])]
        limits = ["--first", str(seed), "--count", str(end - seed), "--seconds", str(until - time.monotonic())]
        command = [sys.executable, __file__, "--worker", *limits, *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if line.startswith('{"seed"'):
                    told = json.loads(line)
                    found[told["status"]] += 1
                    seed = told["seed"] + 1
                    if told["status"] not in ("equal", "invalid"):
                        print(f"{told['seed']} {told['status']}: {told['detail']}", flush=True)
            code = child.wait()
        if code and seed < end:
            print(f"{seed} crashed: exit {code}", flush=True)
            found["crashed"] += 1
            seed += 1
        elif not code:
            break
    print(", ".join(f"{status} {count}" for status, count in sorted(found.items())))
    if any(found[bad] for bad in ("wrong", "not loadable", "crashed", "traceback", "unproven")):
        sys.exit(1)


def work(wishes: Any) -> None:
    """Try the graphs one by one; an outcome per line."""
    until = time.monotonic() + wishes.seconds
    for seed in range(wishes.first, wishes.first + wishes.count):
        if time.monotonic() > until:
            return
        graph = random_graph(seed)
        if not graph.nodes:
            continue
        with tempfile.TemporaryDirectory() as folder:
            status, detail = tried(graph, Path(folder), is_whole=wishes.options, keep=wishes.keep, seed=seed)
        print(json.dumps({"seed": seed, "status": status, "detail": detail}), flush=True)


def tried(graph: Graph, folder: Path, *, is_whole: bool, keep: Path | None, seed: int) -> tuple[str, str]:
    """(status, detail) of one graph."""
    import onnx

    from edgeopt.core.dataset import no_samples
    from edgeopt.errors import EdgeoptError
    from edgeopt.steps.tflite.step import Tflite

    model = graph.model()
    wanted = expected(graph, model)
    if not wanted:
        return "invalid", "ONNX Runtime does not take the whole graph"
    source, made = folder / "source.onnx", folder / "made.tflite"
    onnx.save(model, source)
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        onnx.save(model, keep / f"{seed}.onnx")
    try:
        report = Tflite().apply(source, made, no_samples())
        if keep:
            (keep / f"{seed}.tflite").write_bytes(made.read_bytes())
        told = compared(graph, wanted, made)
        if told or not is_whole:
            return told or ("equal", "")
        return _with_options(graph, source, made, report)
    except EdgeoptError as error:
        return "refused", f"[{graph.flavour}] {type(error).__name__}: {error.message}"
    except Exception:  # noqa: BLE001  that there is none is what is tested
        return "traceback", traceback.format_exc()[-600:]


def _with_options(graph: Graph, source: Path, made: Path, report: Any) -> tuple[str, str]:
    from edgeopt.core.dataset import no_samples
    from edgeopt.errors import EdgeoptError
    from edgeopt.steps.convert import TENSORS, proven
    from edgeopt.steps.tflite.step import Tflite

    option: dict[str, Any] = {}
    try:
        proven(source, made, report.details[TENSORS], no_samples())
        for option in (  # what cannot be int8 is refused, and is no fault
            {"layout": "nhwc"},
            *([{"io": "int8"}] if graph.flavour in ("uint8", "int8") else []),
        ):
            report = Tflite(**option).apply(source, made, no_samples())
            proven(source, made, report.details[TENSORS], no_samples())
    except EdgeoptError as error:
        if "can be int8" in error.message or "cannot be proven" in error.message:
            return "equal", ""
        return "unproven", f"[{graph.flavour}] {option} {error.message}"
    return "equal", ""


def expected(graph: Graph, model: Any) -> dict[str, Any]:
    """Outputs by name of ONNX Runtime; none where it does not take the model."""
    import onnxruntime

    from edgeopt.graph.runtime import runtime_errors

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        found = session.run(None, {name: graph.samples[name] for name in graph.inputs})
    except runtime_errors():
        return {}
    return dict(zip([each.name for each in session.get_outputs()], found, strict=True))


def compared(graph: Graph, wanted: dict[str, Any], made: Path) -> tuple[str, str] | None:
    """(status, detail) where LiteRT gives something else than ONNX Runtime; None where it does not."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    feeds = {name: graph.samples[name] for name in graph.inputs}
    jumps = bool(JUMPS & {node.op_type for node in graph.nodes})
    faults = []
    for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF):
        try:
            interpreter = Interpreter(model_path=str(made), experimental_op_resolver_type=kernels, num_threads=1)
            runner = interpreter.get_signature_runner()
            given = runner(**{name: feeds[name] for name in runner.get_input_details()})
        except (RuntimeError, ValueError) as error:
            return "not loadable", f"[{graph.flavour}] {kernels.name}: {error}"
        told = [(name, differs(given[name], value, graph.flavour, jumps=jumps)) for name, value in wanted.items()]
        faults.append([f"{kernels.name} `{name}` {fault}" for name, fault in told if fault])
    if not any(faults) or (graph.flavour not in TOLERANCE and not all(faults)):
        return None  # rounding alone makes a wide difference where the graph is ill-conditioned, on one of both
    operators = " ".join(node.op_type for node in graph.nodes)
    return "wrong", f"[{graph.flavour}] {(faults[0] + faults[1])[0]}: {operators}"


def differs(given: Any, wanted: Any, flavour: str, *, jumps: bool) -> str:
    """How an output is another; empty where it is not."""
    if (given.dtype, given.shape) != (wanted.dtype, wanted.shape):
        return f"is {given.dtype} {given.shape}, not {wanted.dtype} {wanted.shape}"
    difference = np.abs(given.astype(np.float64) - wanted.astype(np.float64))
    largest = float(np.abs(wanted.astype(np.float64)).max(initial=1e-3))
    if flavour in TOLERANCE:
        far = ~(difference <= TOLERANCE[flavour] * largest + 1e-6)
        share = float(far.mean())
        return (
            f"differs by {np.nanmax(difference) / largest:.2g} in {share:.0%}" if share > (0.1 if jumps else 0) else ""
        )
    error = float(np.sqrt(np.mean(difference**2)) / max(np.sqrt(np.mean(wanted.astype(np.float64) ** 2)), 1e-3))
    return "" if error <= _FAULTS_OF_QUANTIZED else f"differs by {error:.2g} (root mean square)"


if __name__ == "__main__":
    main()
