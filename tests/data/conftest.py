"""Inputs of models that the data suites read samples for."""

from __future__ import annotations

import pytest

from edgeopt.core.artifact import TensorSpec

Inputs = tuple[TensorSpec, ...]


@pytest.fixture(scope="session")
def features() -> Inputs:
    """features: three numbers."""
    return (TensorSpec(name="features", shape=("batch", 3), dtype="float32"),)


@pytest.fixture(scope="session")
def pair() -> Inputs:
    """left and right: one number each."""
    return tuple(TensorSpec(name=name, shape=("batch", 1), dtype="float32") for name in ("left", "right"))


@pytest.fixture(scope="session")
def image() -> Inputs:
    """image: 3 channels of 4 rows and 6 columns."""
    return (TensorSpec(name="image", shape=("batch", 3, 4, 6), dtype="float32"),)
