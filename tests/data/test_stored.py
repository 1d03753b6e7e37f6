"""Large inputs stay in their `.npz` file, and are what they would be if they were read whole."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.core import stored_rows
from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Dataset, split_dataset
from edgeopt.core.overlap import require_disjoint_parts
from edgeopt.core.stored_rows import StoredRows
from edgeopt.data import npz, stored
from edgeopt.data.bind import bind_dataset
from edgeopt.data.npz import read_npz
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError

IMAGE = (TensorSpec(name="image", shape=("batch", 3, 4, 5), dtype="float32"),)
PREPROCESS = Preprocess(scale=1 / 255, mean=(0.1, 0.2, 0.3), std=(2, 3, 4), layout="nhwc")


@pytest.fixture
def images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (40, 4, 5, 3)).astype(np.uint8)


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave every array in its file."""
    for module in (stored, stored_rows):
        monkeypatch.setattr(module, "WHOLE_BYTES", 1)
    monkeypatch.setattr(stored_rows, "_BLOCK_BYTES", 1000)


def bound(path: Path, preprocess: Preprocess | None = PREPROCESS, to: Any = IMAGE) -> Dataset:
    return bind_dataset(read_npz(path, to), to, preprocess)


def test_stored_inputs_are_bound_as_whole_ones_are(tmp_path: Path, images: Any, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, image=images, y=np.arange(40) % 3, camera=list("ab") * 20)
    whole = split_dataset(bound(path), samples=10, seed=1)
    request.getfixturevalue("all_are_large")
    parts = split_dataset(bound(path), samples=10, seed=1)

    for part, expected in ((parts.calibration, whole.calibration), (parts.judged, whole.judged)):
        assert isinstance(part.inputs["image"], StoredRows)
        assert isinstance(expected.inputs["image"], np.ndarray)
        assert part.identity() == expected.identity()
        assert part.columns["camera"].tolist() == expected.columns["camera"].tolist()
        for feeds, others in zip(part.batches(4, is_filled=True), expected.batches(4, is_filled=True), strict=True):
            assert feeds["image"].dtype == np.float32
            assert feeds["image"].flags["C_CONTIGUOUS"]
            np.testing.assert_array_equal(feeds["image"], others["image"])


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("kind", ["compressed", "fortran"])
def test_arrays_that_are_not_stored_row_by_row_are_read_whole(tmp_path: Path, images: Any, kind: str) -> None:
    path = tmp_path / "data.npz"
    if kind == "compressed":
        np.savez_compressed(path, x=images)
    else:
        np.savez(path, x=np.asfortranarray(images))

    assert isinstance(read_npz(path, IMAGE).inputs["image"], np.ndarray)


@pytest.mark.usefixtures("all_are_large")
def test_only_inputs_stay_in_the_file(tmp_path: Path, images: Any) -> None:
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(40), week=np.arange(40))
    data = read_npz(tmp_path / "data.npz", IMAGE)

    assert isinstance(data.inputs["image"], StoredRows)
    assert isinstance(data.labels, np.ndarray)
    assert isinstance(data.columns["week"], np.ndarray)


@pytest.mark.usefixtures("all_are_large")
def test_bad_samples_are_counted_over_all_blocks(tmp_path: Path) -> None:
    images = np.zeros((40, 3, 4, 5), np.float64)
    images[7, 1, 2, 3], images[33, 0, 0, 0] = np.nan, 1e300  # finite in the file, infinite in float32
    np.savez(tmp_path / "data.npz", x=images)

    with pytest.raises(InputError, match=r"NaN or infinity in 2 of 40 samples \(the first is number 7\)"):
        bound(tmp_path / "data.npz", None)


@pytest.mark.usefixtures("all_are_large")
def test_numbers_that_integers_cannot_hold_are_refused_in_any_block(tmp_path: Path) -> None:
    tokens = np.zeros((400, 8), np.int64)
    tokens[390, 2] = 2**40
    np.savez(tmp_path / "data.npz", x=tokens)

    with pytest.raises(InputError, match="the model takes `int32`"):
        bound(tmp_path / "data.npz", None, (TensorSpec(name="tokens", shape=("batch", 8), dtype="int32"),))


@pytest.mark.usefixtures("all_are_large")
def test_a_shape_that_does_not_fit_is_refused(tmp_path: Path, images: Any) -> None:
    np.savez(tmp_path / "data.npz", x=images[:, :, :4])

    with pytest.raises(InputError, match="has samples of shape 4x4x3, the model takes 3x4x5"):
        bound(tmp_path / "data.npz", None)


@pytest.mark.usefixtures("all_are_large")
def test_parts_that_share_a_sample_are_found_in_the_file(tmp_path: Path, images: Any) -> None:
    images[30] = images[2]
    np.savez(tmp_path / "data.npz", x=images, part=["calibration"] * 20 + ["confirm"] * 20)

    with pytest.raises(InputError, match=r"sample 30 \(`confirm`\) equals sample 2 \(`calibration`\)"):
        require_disjoint_parts(read_npz(tmp_path / "data.npz", IMAGE))


@pytest.mark.usefixtures("all_are_large")
def test_damage_to_what_stays_in_the_file_is_found_at_once(tmp_path: Path, images: Any) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=images)
    broken = bytearray(path.read_bytes())
    broken[len(broken) // 2] ^= 1
    path.write_bytes(broken)

    with pytest.raises(InputError, match="cannot be read: Bad CRC-32"):
        read_npz(path, IMAGE)


@pytest.mark.usefixtures("all_are_large")
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, images: Any) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=images)
    whole = path.read_bytes()
    for length in range(1, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot be read"):
            read_npz(path, IMAGE)


@pytest.mark.usefixtures("all_are_large")
def test_what_stays_in_the_file_needs_no_memory(tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "_memory_bytes", lambda: 1000)
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(40))
    assert len(read_npz(tmp_path / "data.npz", IMAGE)) == 40

    np.savez_compressed(tmp_path / "data.npz", x=images)
    with pytest.raises(InputError, match="more than this machine's memory") as caught:
        read_npz(tmp_path / "data.npz", IMAGE)
    assert "numpy.savez, not savez_compressed" in caught.value.hint


# What is left of the address space is half of what the file takes, and an eighth of the samples as float32.
_UNDER_A_LIMIT = """
import resource, sys
import numpy as np
from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import split_dataset
from edgeopt.data.bind import bind_dataset
from edgeopt.data.npz import read_npz
from edgeopt.data.preprocess import Preprocess
from pathlib import Path

path, inputs = Path(sys.argv[1]), (TensorSpec(name="image", shape=("batch", 3, 64, 64), dtype="float32"),)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = used + path.stat().st_size // 2
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    np.load(path)["x"]
    sys.exit("the limit does not hold")
except MemoryError:
    pass
parts = split_dataset(bind_dataset(read_npz(path, inputs), inputs, Preprocess(scale=0.5)), samples=8, seed=0)
total = sum(float(feeds["image"].sum(dtype=np.float64)) for feeds in parts.judged.batches(64))
calibrated = sum(float(feeds["image"].sum(dtype=np.float64)) for feeds in parts.calibration.batches(4))
print(len(parts.calibration), len(parts.judged), total + calibrated)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read from /proc")
def test_a_data_set_larger_than_memory_is_read_batch_by_batch(tmp_path: Path) -> None:
    count = 64 * 2**20 // (3 * 64 * 64)
    images = np.zeros((count, 3, 64, 64), dtype=np.uint8)
    images[:, 1, 2, 3] = 1
    np.savez(tmp_path / "data.npz", x=images)

    done = subprocess.run(
        [sys.executable, "-c", _UNDER_A_LIMIT, str(tmp_path / "data.npz")], capture_output=True, text=True, check=False
    )

    assert done.stderr == ""
    assert done.stdout.split() == ["8", str(count - 8), str(count / 2)]


def test_members_of_other_kinds_are_left_to_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "WHOLE_BYTES", 1)
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x09\x00" + bytes(100))
        archive.writestr("image", b"no array at all")

    with pytest.raises(InputError, match="cannot be read"):
        read_npz(tmp_path / "data.npz", IMAGE)
