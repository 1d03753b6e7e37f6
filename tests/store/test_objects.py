"""Files by the digest of their content."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from edgeopt.errors import InputError
from edgeopt.store.objects import Objects, is_digest


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    folder = tmp_path / "objects"
    folder.mkdir()
    return Objects(folder)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_bytes_lie_under_their_digest(objects):
    digest = objects.add_bytes(b"weights")

    assert digest == _digest(b"weights")
    assert objects.path_of(digest) == objects.folder / digest[:2] / digest[2:]
    assert objects.path_of(digest).read_bytes() == b"weights"
    assert objects.read(digest) == b"weights"
    assert list(objects.unfinished()) == []


def test_content_is_on_the_disk_before_it_gets_its_name_and_the_name_after(objects, monkeypatch):
    done = []
    replace = Path.replace

    def sync(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")

    def rename(path, target):
        done.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", rename)
    objects.add_bytes(b"weights")

    assert done == ["folder", "file", "rename", "folder"]


def test_a_file_is_copied_and_its_copy_may_not_be_written(objects, tmp_path):
    source = tmp_path / "model.onnx"
    source.write_bytes(b"weights" * 300_000)
    digest = _digest(source.read_bytes())

    objects.add_file(source, digest)

    assert objects.require(digest).read_bytes() == source.read_bytes()
    assert objects.path_of(digest).stat().st_mode & 0o777 == 0o444


def test_an_object_that_is_there_is_not_written_again_but_its_time_is_renewed(objects):
    path = objects.path_of(objects.add_bytes(b"weights"))
    os.utime(path, (1, 1))
    before = path.stat().st_ino

    objects.add_bytes(b"weights")

    assert path.stat().st_ino == before
    assert path.stat().st_mtime > 1


def test_an_object_that_was_cut_off_is_written_again(objects):
    digest = objects.add_bytes(b"weights")
    objects.path_of(digest).chmod(0o644)
    objects.path_of(digest).write_bytes(b"")

    objects.add_bytes(b"weights")

    assert objects.read(digest) == b"weights"


def test_a_file_with_another_digest_is_refused_and_leaves_nothing(objects, tmp_path):
    source = tmp_path / "model.onnx"
    source.write_bytes(b"weights")

    with pytest.raises(InputError, match="has the digest"):
        objects.add_file(source, _digest(b"other"))

    assert list(objects) == []
    assert list(objects.unfinished()) == []


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "is damaged: it is empty"), (b"other", "is damaged: its content has another digest")]
)
def test_a_damaged_object_is_named_when_it_is_read(objects, content, told):
    digest = objects.add_bytes(b"weights")
    objects.path_of(digest).chmod(0o644)
    objects.path_of(digest).write_bytes(content)

    with pytest.raises(InputError, match=f"`{digest[:12]}`.*{told}"):
        objects.read(digest)
    with pytest.raises(InputError, match=f"`{digest[:12]}`.*{told}"):
        objects.require(digest)


def test_a_missing_object_is_named(objects):
    with pytest.raises(InputError, match=f"`{'a' * 12}`.*is missing"):
        objects.read("a" * 64)
    assert not objects.has("a" * 64)


@pytest.mark.parametrize("text", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 65, None, 5])
def test_only_digests_are_names(objects, text):
    assert not is_digest(text)
    assert not objects.has(text)
    with pytest.raises(InputError, match="not a SHA-256 digest"):
        objects.path_of(text)


def test_objects_come_in_the_order_in_which_they_were_written(objects):
    digests = [objects.add_bytes(content) for content in (b"first", b"second", b"third")]
    for time, digest in enumerate(reversed(digests)):
        os.utime(objects.path_of(digest), (time, time))
    (objects.folder / ".new-left").write_bytes(b"")
    (objects.folder / "ab").mkdir(exist_ok=True)
    (objects.folder / "ab" / "stray").write_bytes(b"")

    assert list(objects) == list(reversed(digests))
    assert [path.name for path in objects.unfinished()] == [".new-left"]
