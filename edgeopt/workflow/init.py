"""`edgeopt init`: a commented configuration for a model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Literal

from edgeopt.core.dataset import Dataset
from edgeopt.core.files import require_writable, write_text
from edgeopt.errors import InputError
from edgeopt.report.escape import printable
from edgeopt.workflow.inputs import Named, data_for, require_onnx
from edgeopt.workflow.inspect import Inspection, inspect

CiSystem = Literal["github", "gitlab"]
_ACCURACY_RULE = "accuracy >= baseline - 1 pt"
_TEMPLATES = Path(__file__).with_name("templates")
_CI_FILES: dict[str, str] = {"github": ".github/workflows/edgeopt.yml", "gitlab": ".gitlab-ci.yml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InitResult:
    """What `init` gives: the files that it wrote."""

    inspection: Inspection
    written: tuple[Path, ...]
    has_data: bool

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        step = "edgeopt gate" if self.has_data else "set [data] path in edgeopt.toml, then `edgeopt gate`"
        return {
            "artifact": self.inspection.artifact.as_json(),
            "written": [str(path) for path in self.written],
            "next": step,
        }


def init(
    model: Named,
    *,
    output: Named = "edgeopt.toml",
    data: Named | None = None,
    ci: CiSystem | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> InitResult:
    """Write a commented edgeopt.toml for `model`, and a CI workflow if asked.

    Args:
        model: An ONNX file.
        output: Where the configuration goes.
        data: Samples to calibrate and judge on; checked against the model.
        ci: The CI system to write a workflow for, beside the configuration.
        force: Overwrite existing files.
        dry_run: Write nothing.

    Raises:
        InputError: The model or the data is not usable, or a file exists.
    """
    inspection = inspect(model)
    require_onnx(inspection.artifact, what="`init`")
    path = Path(output)
    rule = _accuracy_rule(data_for(inspection.artifact, data)) if data else _ACCURACY_RULE
    files = {path: _configuration(inspection, path, data, rule)}
    if ci:
        files[path.parent / _CI_FILES[ci]] = (_TEMPLATES / f"{ci}.yml").read_text(encoding="utf-8")
    if not dry_run:
        for file in files:
            _make_folder(file.parent)
            require_writable(file, force=force)
        for file, text in files.items():
            write_text(file, text, force=force)
    return InitResult(inspection=inspection, written=() if dry_run else tuple(files), has_data=data is not None)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"folder `{folder}` cannot be made: {error.strerror}", hint="choose another name with -o"
        ) from error


def _accuracy_rule(data: Dataset) -> str:
    """A first rule about accuracy that the data can answer."""
    if data.labels is None:
        return "flip_rate <= 2 %"
    return "mse <= baseline + 5 %" if data.labels.dtype.kind == "f" else _ACCURACY_RULE


def _configuration(inspection: Inspection, path: Path, data: Named | None, rule: str) -> str:
    template = Template((_TEMPLATES / "edgeopt.toml").read_text(encoding="utf-8"))
    artifact, cost = inspection.artifact, inspection.cost
    return template.substitute(
        model=_toml_string(_relative(artifact.path, path.parent)),
        inputs=printable("; ".join(str(spec) for spec in artifact.inputs)),
        outputs=printable("; ".join(str(spec) for spec in artifact.outputs)),
        macs=f"{cost.macs:,}",
        parameters=f"{cost.parameters:,}",
        data=_toml_string(_relative(Path(data), path.parent) if data else "data.npz"),
        accuracy=_toml_string(rule),
    )


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _toml_string(text: str) -> str:
    """A TOML basic string: quotes, backslashes and control characters escaped."""
    import json

    return json.dumps(text, ensure_ascii=False)
