"""Observations in a file."""

from dataclasses import replace

import numpy as np
import pytest

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError
from edgeopt.steps.quantize.observation.kept import (
    KeptObservations,
    observation_key,
    read_observations,
    write_observations,
)
from edgeopt.steps.quantize.observation.observe import observe

ASKED = {"histograms": True, "channels": {"hidden": 1, "x": 1}}


def samples(seed=0, **changes):
    array = np.random.default_rng(seed).standard_normal((9, 3)).astype(np.float32)
    return replace(Dataset(inputs={"x": array}, source="samples", indices=np.arange(9)), **changes)


@pytest.fixture
def seen(small_models):
    return observe(small_models.mlp(), ["x", "hidden"], samples(), **ASKED)


@pytest.fixture
def key(small_models):
    return observation_key(small_models.mlp(), ["x", "hidden"], samples(), **ASKED)


@pytest.fixture
def path(tmp_path, seen, key):
    write_observations(tmp_path / "seen.npz", seen, key)
    return tmp_path / "seen.npz"


def test_what_was_written_is_read_again(path, seen, key):
    assert read_observations(path, key) == seen


def test_what_was_read_merges_like_what_was_seen(path, seen, key):
    assert read_observations(path, key).merged(seen) == seen.merged(seen)


def test_observations_without_histograms_or_channels_are_kept_too(small_models, tmp_path, key):
    seen = observe(small_models.mlp(), ["scores"], samples())
    write_observations(tmp_path / "seen.npz", seen, key)

    assert read_observations(tmp_path / "seen.npz", key) == seen


def test_the_key_is_the_same_for_the_same(small_models, key):
    assert observation_key(small_models.mlp(), ["hidden", "x"], samples(), **ASKED) == key


def test_stale_observations_are_refused_by_what_differs(small_models, path):
    other_model = observation_key(small_models.two_inputs(), ["x", "hidden"], samples(), **ASKED)
    with pytest.raises(InputError, match=r"holds observations of another model$") as caught:
        read_observations(path, other_model)
    assert "delete it" in caught.value.hint

    other_data = observation_key(small_models.mlp(), ["x", "hidden"], samples(seed=1), **ASKED)
    with pytest.raises(InputError, match=r"holds observations of other samples$"):
        read_observations(path, other_data)

    uncounted = observation_key(small_models.mlp(), ["x", "hidden"], samples(seed=1))
    with pytest.raises(InputError, match=r"holds observations of other samples and of other tensors$"):
        read_observations(path, uncounted)


def test_a_file_that_is_missing_or_damaged_is_said_so(path, key):
    with pytest.raises(InputError, match="does not exist"):
        read_observations(path.with_name("absent.npz"), key)

    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="holds no observations that can be read"):
        read_observations(path, key)

    np.savez(path, header=np.array("{}"))
    with pytest.raises(InputError, match="holds no observations that can be read"):
        read_observations(path, key)


def test_what_a_folder_keeps_needs_no_second_pass_and_other_samples_need_one(small_models, tmp_path):
    kept, passes = KeptObservations(folder=tmp_path / "new" / "folder"), []

    def look(seed):
        return kept.observe(
            small_models.mlp(), ["hidden", "x"], samples(seed), progress=lambda done, _: passes.append(done), **ASKED
        )

    first = look(0)
    assert passes.pop() == 9

    passes.clear()
    assert look(0) == first
    assert passes == []
    assert look(1) != first
    assert passes.pop() == 9
    assert len(list(kept.folder.iterdir())) == 2


def test_a_damaged_file_in_the_folder_is_named(small_models, tmp_path):
    kept = KeptObservations(folder=tmp_path)
    kept.observe(small_models.mlp(), ["x"], samples())
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"")

    with pytest.raises(InputError, match=path.name):
        kept.observe(small_models.mlp(), ["x"], samples())


def test_a_folder_that_cannot_be_made_is_refused(small_models, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="for statistics cannot be made"):
        KeptObservations(folder=tmp_path / "file" / "folder").observe(small_models.mlp(), ["x"], samples())
