"""Keys of steps that need not be done twice: equal keys, equal artifacts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def step_key(
    *,
    input_sha256: str,
    step: str,
    options: Mapping[str, Any],
    data_sha256: str = "",
    seed: int = 0,
    versions: Mapping[str, str],
    machine: str = "",
) -> str:
    """A digest of all that the result of a step depends on.

    Args:
        input_sha256: Digest of the artifact that goes in.
        step: Name of the step.
        options: Its options, as JSON takes them.
        data_sha256: Digest of the calibration data; empty where the step takes none.
        seed: Seed of its draws.
        versions: Version of every tool that takes part, edgeopt's too.
        machine: Identity of the machine where what is chosen was measured on it; empty elsewhere.
    """
    facts = [input_sha256, step, dict(options), data_sha256, seed, dict(versions), machine]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode()).hexdigest()
