"""Fixtures for pytest: `edgeopt_bench` times models, `edgeopt_compare` holds one against another.

pytest loads this module at every start wherever edgeopt is installed, so it imports nothing but pytest itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pytest

if TYPE_CHECKING:
    from edgeopt.judge.gate import Verdict
    from edgeopt.workflow.bench_result import BenchResult
    from edgeopt.workflow.gate import GateResult

Named = str | Path
Undecided = Literal["fail", "pass", "warn"]


class Bench(Protocol):
    """What `edgeopt_bench` gives."""

    def __call__(
        self,
        *models: Named,
        against: Named | None = None,
        rules: Sequence[str] = (),
        undecided: Undecided = "fail",
        **options: Any,
    ) -> BenchResult:
        """Time models, as `edgeopt.bench` does, and hold each but the base to the rules.

        Args:
            models: Model files.
            against: A base that they are timed by turns with.
            rules: What must hold, as in `latency.p50 <= baseline + 5 %`; without any the test asserts itself.
            undecided: Whether a rule that the samples cannot decide fails the test.
            options: As `edgeopt.bench` takes them: `threads`, `batch`, `processes` and so on.

        Raises:
            AssertionError: A rule is broken, or undecided where that fails.
        """


class Compare(Protocol):
    """What `edgeopt_compare` gives."""

    def __call__(
        self,
        base: Named,
        candidate: Named,
        data: Named | None = None,
        *,
        rules: Sequence[str],
        undecided: Undecided = "fail",
        **options: Any,
    ) -> GateResult:
        """Measure of two models what the rules ask for, and hold the candidate to them.

        Args:
            base: The model to hold the candidate against.
            candidate: The other model.
            data: Samples for rules about accuracy or flips, as `--data` takes them.
            rules: What must hold, as in `accuracy >= baseline - 1 pt`.
            undecided: Whether a rule that the samples cannot decide fails the test.
            options: `preprocess`, `threads`, `processes` and `seed`.

        Raises:
            AssertionError: A rule is broken, or undecided where that fails.
        """


@pytest.fixture(scope="session")
def edgeopt_bench() -> Bench:
    """A function that times models: `edgeopt_bench("small.onnx", against="model.onnx")`."""

    def run(
        *models: Named,
        against: Named | None = None,
        rules: Sequence[str] = (),
        undecided: Undecided = "fail",
        **options: Any,
    ) -> BenchResult:
        __tracebackhide__ = True
        from edgeopt.workflow.bench import bench
        from edgeopt.workflow.gate_pair import judge_bench

        with _hints():
            result = bench(*models, against=against, **options)
            verdicts = judge_bench(result, rules, undecided=undecided) if rules else {}
        for name, verdict in verdicts.items():
            _require(verdict, name, str(against or ""))
        return result

    return run


@pytest.fixture(scope="session")
def edgeopt_compare(tmp_path_factory: pytest.TempPathFactory) -> Compare:
    """A function that holds one model against another: `edgeopt_compare(base, candidate, data, rules=[...])`."""

    def run(
        base: Named,
        candidate: Named,
        data: Named | None = None,
        *,
        rules: Sequence[str],
        undecided: Undecided = "fail",
        **options: Any,
    ) -> GateResult:
        __tracebackhide__ = True
        from edgeopt.workflow.gate_pair import gate_pair

        record = tmp_path_factory.mktemp("edgeopt")
        with _hints():
            result = gate_pair(base, candidate, data, rules=rules, undecided=undecided, record=record, **options)
        _require(result.verdict, str(candidate), str(base))
        return result

    return run


@contextmanager
def _hints() -> Iterator[None]:
    """Shows what mends an expected failure below its message."""
    from edgeopt.errors import EdgeoptError

    try:
        yield
    except EdgeoptError as error:
        if error.hint:
            error.add_note(f"hint: {error.hint}")
        raise


def _require(verdict: Verdict, candidate: str, base: str) -> None:
    """Fail the test with a line per rule, the broken ones first, unless the gate would pass."""
    __tracebackhide__ = True
    if verdict.outcome == "passed":
        return
    from edgeopt.report.rules import counts_text, rule_text, worst_first

    rules = worst_first([rule.as_json() for rule in verdict.rules])
    beside = f" beside {base}" if base else ""
    told = [f"  {rule['verdict']:<9}  {rule['rule']}: {rule_text(rule)}" for rule in rules]
    raise AssertionError("\n".join([f"{candidate}{beside}: {verdict.outcome}, {counts_text(rules)}", *told]))
