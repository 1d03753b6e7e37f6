"""`edgeopt gate`: rules held against what was measured; a verdict that CI can act on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from edgeopt.core.config import CONFIG_NAME, GateTable, load_config
from edgeopt.core.run import Run
from edgeopt.judge.evidence import Evidence
from edgeopt.judge.gate import Verdict, judge
from edgeopt.judge.rules import Rule
from edgeopt.measure.environment import environment
from edgeopt.store.store import Store
from edgeopt.workflow.baseline import IN_STORE, Baseline, acceptance, find_baseline
from edgeopt.workflow.demands import demands_of, require
from edgeopt.workflow.gate_case import recorded_case, unusable_on
from edgeopt.workflow.inputs import Named
from edgeopt.workflow.looks import looks_at
from edgeopt.workflow.progress import Report, silent
from edgeopt.workflow.rule_lines import rule_lines

VerdictOn = Callable[[Sequence[Rule], Evidence], Verdict]


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
    cluster: str | None = None,
    accept: bool = False,
    by: str | None = None,
    reason: str | None = None,
    cache: Named | None = None,
    today: date | None = None,
    seed: int = 0,
    report: Report = silent,
) -> GateResult:
    """Judge rules on recorded runs, or on what the configuration tells to make and measure.

    Args:
        runs: Run records to judge, merged by artifact; without any, the recipe of the configuration is applied and
            measured.
        config: The configuration; by default ./edgeopt.toml.
        baseline: A run record to hold the candidate against, or the beginning of the id of a recorded run; by default
            that of the configuration, else the original.
        rules: Rules besides those of the configuration.
        cluster: Column of samples that depend on each other; by default that of the configuration.
        accept: Keep what was measured, and its model, as the new baseline.
        by: Who accepts it; by default the user that CI names, else the one who is logged in.
        reason: Why; needed where a baseline is replaced.
        cache: Folder of a store, as in `.edgeopt`: steps of the recipe that were done before on the same model and
            samples are taken from there, others kept there. None, the default, does them all and keeps nothing.
        today: The day that waivers are held against; by default today.
        seed: Seed of draws and of the bootstrap.
        report: Called with what is being done.

    Raises:
        InputError: A rule, a record, the configuration or the data is not usable.
        Unsupported: A step does not support the model.
        ToolFailed: A measuring process crashed.
    """
    path = Path(config or CONFIG_NAME)
    settings = load_config(path) if config or path.exists() or not runs else None
    policy = settings.gate if settings else GateTable()
    demands, faults = demands_of([*policy.rules, *rules], policy.waiver)
    store = Store.find(path.parent)
    held = find_baseline(baseline, settings, path, store, accept=accept)
    accepted = acceptance(held, path, by=by, reason=reason) if accept else None
    columns = cluster or (settings.data.cluster if settings and settings.data else None) or ""

    def verdict_on(some: Sequence[Rule], evidence: Evidence) -> Verdict:
        return judge(
            some,
            evidence,
            undecided=policy.undecided,
            estimates=policy.estimates,
            waivers=policy.waiver,
            today=today or datetime.now(UTC).date(),
        )

    if runs:
        case = recorded_case(
            [Path(run) for run in runs], held.side(store) if held else None, store, seed=seed, cluster=columns
        )
        require([*faults, *unusable_on(case.evidence, demands)])
        verdict = verdict_on(demands, case.evidence)
    else:
        from edgeopt.workflow.gate_measure import measured_case

        assert settings is not None
        case, verdict = measured_case(
            settings,
            path.parent,
            demands,
            verdict_on,
            faults=faults,
            held=held,
            store=store,
            cluster=columns,
            cache=cache,
            seed=seed,
            report=report,
        )
    warnings = [*case.warnings, *_baseline_warnings(held, accept=accept, has_runs=bool(runs))]
    run = Run(
        command="gate",
        environment=environment(),
        artifacts=case.artifacts,
        measurements=case.measurements,
        own={
            **verdict_json(verdict, path if settings else None),
            **case.compared,
            "baseline": _baseline_json(held),
            "judged": case.judged or None,
            "looks": looks_at(case.judged, case.evidence.candidate.sha256, store),
            "accepted": accepted,
            "warnings": warnings,
        },
    )
    if held and accepted:
        held.keep(run, store)
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
        "waivers": [waiver.as_json() for waiver in verdict.waivers],
    }


def _baseline_json(held: Baseline | None) -> dict[str, Any]:
    """What the candidate was held against: the original, or an accepted run."""
    if held is None or held.record is None:
        return {"is_original": True}
    return {"is_original": False, "name": held.name, "accepted": held.accepted}


def _baseline_warnings(held: Baseline | None, *, accept: bool, has_runs: bool) -> list[str]:
    if held is None or held.record or accept or has_runs:
        return []
    missing = "nothing was accepted in the record yet" if held.name == IN_STORE else f"`{held.path}` does not exist yet"
    return [f"baseline: {missing}: compared with the original model; keep this run with `--accept`"]
