"""`edgeopt gate`: rules held against what was measured; a verdict that CI can act on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from edgeopt.core.config import CONFIG_NAME, Config, GateTable, load_config
from edgeopt.core.files import require_writable, sha256_of, write_text
from edgeopt.core.measurement import Measurement
from edgeopt.core.profiles import load_target
from edgeopt.core.run import Run, json_text, run_from_file
from edgeopt.errors import InputError
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import Verdict, judge
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import Rule, parse_rules
from edgeopt.measure.environment import environment
from edgeopt.workflow.inputs import Named
from edgeopt.workflow.prediction_file import read_predictions
from edgeopt.workflow.progress import Report, silent
from edgeopt.workflow.rule_lines import rule_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What `gate` gives.

    Attributes:
        verdict: What became of the rules; `verdict.exit_code` is the command's.
        run: The record.
        warnings: What the user should know.
    """

    verdict: Verdict
    run: Run
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return self.run.as_json()


def gate(
    *runs: Named,
    config: Named | None = None,
    baseline: Named | None = None,
    rules: Sequence[str] = (),
    accept: bool = False,
    today: date | None = None,
    seed: int = 0,
    cache: Named | None = None,
    report: Report = silent,
) -> GateResult:
    """Judge rules on recorded runs, or on what the configuration tells to make and measure.

    Args:
        runs: Run records to judge, merged by artifact; without any, the recipe of the configuration is applied and
            measured.
        config: The configuration; by default ./edgeopt.toml.
        baseline: A run record to hold the candidate against; by default that of the configuration, else the original.
        rules: Rules besides those of the configuration.
        accept: Write what was measured as the new baseline.
        today: The day that waivers are held against; by default today.
        seed: Seed of draws and of the bootstrap.
        cache: Folder of a store, as in `.edgeopt`: steps of the recipe that were done before on the same model and
            samples are taken from there, others kept there. None, the default, does them all and keeps nothing.
        report: Called with what is being done.

    Raises:
        InputError: A rule, a record, the configuration or the data is not usable.
        Unsupported: A step does not support the model.
        ToolFailed: A measuring process crashed.
    """
    path = Path(config or CONFIG_NAME)
    settings = load_config(path) if config or path.exists() or not runs else None
    parsed = _rules(settings, rules)
    kept = _baseline_path(baseline, settings, path)
    if accept:
        _require_baseline_path(kept)
    recorded = _recorded_side(kept) if kept and (kept.exists() or (baseline and not accept)) else None
    policy = settings.gate if settings else GateTable()

    def verdict_on(demands: Sequence[Rule], evidence: Evidence) -> Verdict:
        return judge(
            demands,
            evidence,
            undecided=policy.undecided,
            estimates=policy.estimates,
            waivers=policy.waiver,
            today=today or datetime.now(UTC).date(),
        )

    if runs:
        case = _recorded_case([Path(run) for run in runs], recorded, seed)
        verdict = verdict_on(parsed, case.evidence)
    else:
        assert settings is not None
        case, verdict = _measured_case(
            settings, path.parent, parsed, verdict_on, recorded=recorded, seed=seed, cache=cache, report=report
        )
    warnings = list(case.warnings)
    if kept and not recorded and not accept and not runs:
        told = "compared with the original model; keep this run with `--accept`"
        warnings.append(f"baseline `{kept}` does not exist yet: {told}")
    run = Run(
        command="gate",
        environment=environment(),
        artifacts=case.artifacts,
        measurements=case.measurements,
        own={**verdict_json(verdict, path if settings else None), **case.compared, "warnings": warnings},
    )
    if accept and kept:
        write_text(kept, json_text(run.as_json()), force=True)
    return GateResult(verdict=verdict, run=run, warnings=tuple(warnings))


def verdict_json(verdict: Verdict, config: Path | None) -> dict[str, Any]:
    """The verdict under its JSON keys, each rule with its line in the configuration where it stands there."""
    texts = [rule.rule for rule in verdict.rules]
    lines = rule_lines(config.read_text(encoding="utf-8"), texts) if config else {}
    return {
        "verdict": verdict.outcome,
        "undecided": verdict.undecided,
        "config": str(config) if config else None,
        "rules": [{**rule.as_json(), "line": lines.get(rule.rule)} for rule in verdict.rules],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What the rules are held against, and what the record keeps of it."""

    evidence: Evidence
    measurements: tuple[Measurement, ...]
    artifacts: tuple[dict[str, Any], ...]
    compared: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def _recorded_case(paths: Sequence[Path], recorded: Side | None, seed: int) -> _Case:
    evidence, measurements, artifacts = _from_records(paths)
    evidence = replace(evidence, baseline=recorded or evidence.baseline, seed=seed)
    return _Case(evidence=evidence, measurements=measurements, artifacts=artifacts)


def _measured_case(
    settings: Config,
    folder: Path,
    rules: tuple[Rule, ...],
    verdict_on: Callable[[Sequence[Rule], Evidence], Verdict],
    *,
    recorded: Side | None,
    seed: int,
    cache: Named | None,
    report: Report,
) -> tuple[_Case, Verdict]:
    """What the configuration tells to measure, and its verdict: nothing slow is red without a second look."""
    from edgeopt.workflow.gate_measure import measure_for_gate
    from edgeopt.workflow.measured_pair import MeasuredPair, look_twice

    def verdict_on_pair(demands: Sequence[Rule], pair: MeasuredPair) -> Verdict:
        return verdict_on(demands, Evidence(candidate=pair.candidate, baseline=recorded or pair.original, seed=seed))

    measured = measure_for_gate(settings, folder, rules, seed=seed, cache=cache, report=report)
    verdict = look_twice(measured, rules, verdict_on_pair, settings.bench, seed=seed, report=report)
    evidence = Evidence(candidate=measured.candidate, baseline=recorded or measured.original, seed=seed)
    case = _Case(
        evidence=evidence,
        measurements=measured.measurements,
        artifacts=measured.artifacts,
        compared={
            "steps": [step.as_json() for step in measured.steps],
            "latency": measured.latency,
            "accuracy": measured.accuracy,
        },
        warnings=measured.warnings,
    )
    return case, verdict


def _rules(settings: Config | None, rules: Sequence[str]) -> tuple[Rule, ...]:
    texts = [*(settings.gate.rules if settings else ()), *rules]
    if not texts:
        raise InputError(
            "there is no rule to judge", hint='add `rules = ["accuracy >= baseline - 0.5 pt"]` under [gate]'
        )
    parsed = parse_rules(texts)
    for rule in parsed:
        load_target(rule.target)
    known = {rule.text for rule in parsed}
    for waiver in settings.gate.waiver if settings else ():
        if waiver.rule not in known:
            raise InputError(f"a waiver names `{waiver.rule}`, which is none of the rules", hint="copy the rule's text")
    return parsed


def _from_records(paths: Sequence[Path]) -> tuple[Evidence, tuple[Measurement, ...], tuple[dict[str, Any], ...]]:
    """Evidence from run records: the candidate is the one artifact that is not marked as a baseline."""
    records = [_record(path) for path in paths]
    artifacts: dict[str, dict[str, Any]] = {}
    for entry in (entry for record in records for entry in record.artifacts):
        artifacts[entry["sha256"]] = {**artifacts.get(entry["sha256"], {}), **entry}
    candidates = [digest for digest, entry in artifacts.items() if entry.get("role", "candidate") == "candidate"]
    if len(candidates) != 1:
        named = ", ".join(str(artifacts[digest]["path"]) for digest in candidates) or "none"
        raise InputError(f"the runs hold {len(candidates)} candidates ({named})", hint="give runs of one candidate")
    measurements = tuple(m for record in records for m in record.measurements)
    digest = next((found for found, entry in artifacts.items() if entry.get("role") == "baseline"), None)
    held = _side(digest, measurements) if digest else None
    evidence = Evidence(candidate=_side(candidates[0], measurements), baseline=held)
    return evidence, measurements, tuple(artifacts.values())


def _record(path: Path) -> Run:
    """The run in a file, with each measurement told which machine it comes from: others may be merged with it."""
    record = run_from_file(path)
    if not all({"sha256", "path"} <= entry.keys() for entry in record.artifacts):
        raise InputError(f"`{path}` holds an artifact without `sha256` or `path`", hint="write it with `--json` again")
    if not all(m.samples and all(m.samples) for m in record.measurements):
        raise InputError(f"`{path}` holds a measurement without samples", hint="write it with `--json` again")
    machine = {"machine": str(record.environment.get("machine", ""))}
    told = tuple(replace(m, details={**machine, **m.details}) for m in record.measurements)
    return replace(record, measurements=told)


def _side(digest: str, measurements: Sequence[Measurement]) -> Side:
    own = tuple(m for m in measurements if m.artifact == digest)
    return Side(sha256=digest, measurements=own, predictions=_predictions(own))


def _predictions(measurements: Sequence[Measurement]) -> Predictions | None:
    """The predictions that the last record names, while the file is the one that was recorded."""
    files = [m.details["predictions"] for m in measurements if isinstance(m.details.get("predictions"), dict)]
    path = Path(str(files[-1].get("path"))) if files else None
    if path is None or not path.is_file() or sha256_of(path) != files[-1].get("sha256"):
        return None
    return read_predictions(path)


def _recorded_side(path: Path) -> Side:
    """The candidate of a recorded run, which is the baseline of this one."""
    record = _record(path)
    entry = next((entry for entry in record.artifacts if entry.get("role", "candidate") == "candidate"), None)
    if entry is None:
        raise InputError(f"baseline `{path}` holds no artifact", hint="write one with `edgeopt gate --accept`")
    return _side(entry["sha256"], record.measurements)


def _baseline_path(baseline: Named | None, settings: Config | None, config: Path) -> Path | None:
    if baseline:
        return Path(baseline)
    return config.parent / settings.gate.baseline if settings and settings.gate.baseline else None


def _require_baseline_path(path: Path | None) -> None:
    """Refuse `--accept` without a file to write, before anything is measured."""
    if path is None:
        raise InputError("`--accept` has no file to write", hint='name one: `baseline = "baseline.json"` under [gate]')
    require_writable(path, force=True)
