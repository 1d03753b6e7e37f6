"""The size of a model as a measurement."""

from __future__ import annotations

from edgeopt.core.artifact import Artifact
from edgeopt.core.measurement import Measurement, Origin, single_value


def size_measurement(artifact: Artifact) -> Measurement:
    """The size of a model's file for the record."""
    return single_value("size", artifact.size_bytes, artifact=artifact.sha256, unit="B", origin=Origin.HOST)
