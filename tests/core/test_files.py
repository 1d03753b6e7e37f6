"""Files are written whole or not at all, never over others unasked, and read without blocking."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeopt.core.files import replacing, require_regular_file, require_writable, sha256_of, write_text
from edgeopt.errors import InputError

EndsSoon = Callable[[Callable[[], object]], None]


def test_a_regular_file_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"x")

    assert require_regular_file(path, what="model") == path


def test_a_missing_file_is_refused_with_its_neighbours(tmp_path: Path) -> None:
    for name in ("b.onnx", "a.onnx", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        require_regular_file(tmp_path / "c.onnx", what="model")

    assert caught.value.message == f"model `{tmp_path / 'c.onnx'}` does not exist"
    assert caught.value.hint == "that folder holds: a.onnx, b.onnx"


def test_a_missing_file_without_neighbours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        require_regular_file(tmp_path / "c.onnx", what="model")

    assert caught.value.hint == "check the path"

    (tmp_path / "d").write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        require_regular_file(tmp_path / "c", what="model")

    assert caught.value.hint == "check the path"


@pytest.mark.parametrize("name", ["c.**", "c.[", "c", "c."])
def test_a_missing_file_with_an_odd_ending_is_refused_as_any_other(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="does not exist"):
        require_regular_file(tmp_path / name, what="model")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        require_regular_file(tmp_path / "no" / "c.onnx", what="model")

    assert caught.value.hint == f"the folder `{tmp_path / 'no'}` does not exist either"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    with pytest.raises(InputError, match=r"model `.*m\.onnx` is empty \(0 bytes\)") as caught:
        require_regular_file(tmp_path / "m.onnx", what="model")

    assert "cut off" in caught.value.hint


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a regular file"):
        require_regular_file(tmp_path, what="model")


def test_a_fifo_is_refused_without_opening_it(fifo: Callable[[str], Path], ends_soon: EndsSoon) -> None:
    path = fifo("pipe.onnx")
    with pytest.raises(InputError, match="is not a regular file"):
        ends_soon(lambda: require_regular_file(path, what="model"))


def test_a_device_is_refused() -> None:
    with pytest.raises(InputError, match="is not a regular file"):
        require_regular_file(Path("/dev/zero"), what="model")


def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="cannot be read"):
        require_regular_file(tmp_path / "loop", what="model")


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000, "file/below"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(InputError, match="cannot be read"):
        require_regular_file(tmp_path / name, what="model")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads every file")
    with pytest.raises(InputError, match="is not readable"):
        require_regular_file(path, what="model")


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"content")

    assert sha256_of(path) == hashlib.sha256(b"content").hexdigest()


def test_a_new_file_is_written_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "out.json", "é\n", force=False)

    assert (tmp_path / "out.json").read_bytes() == "é\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    write_text(tmp_path / "out.json", "x", force=False)
    (tmp_path / "other").touch()

    assert (tmp_path / "out.json").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_an_existing_file_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    with pytest.raises(InputError, match="exists") as caught:
        write_text(path, "new", force=False)

    assert "--force" in caught.value.hint
    assert path.read_text() == "old"


@pytest.mark.parametrize("name", ["out.json", "."])
def test_no_work_is_done_for_an_output_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "out.json").write_text("old")

    def work() -> None:
        with replacing(tmp_path / name, force=name == "."):
            pytest.fail("worked")

    with pytest.raises(InputError, match="output"):
        work()


def test_force_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    write_text(path, "new", force=True)

    assert path.read_text() == "new"


@pytest.mark.parametrize("force", [False, True])
def test_a_block_that_fails_leaves_everything_as_it_was(tmp_path: Path, force: bool) -> None:
    path = tmp_path / "out.json"
    if force:
        path.write_text("old")

    def write_half() -> None:
        with replacing(path, force=force) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()

    assert [other.name for other in tmp_path.iterdir()] == (["out.json"] if force else [])
    assert not force or path.read_text() == "old"


def test_a_disk_that_refuses_is_said_with_its_reason(tmp_path: Path) -> None:
    message = r"out\.json` cannot be written: No space left on device$"
    with pytest.raises(InputError, match=message), replacing(tmp_path / "out.json", force=False):
        raise OSError(28, "No space left on device")

    assert not list(tmp_path.iterdir())


def test_an_error_without_a_number_is_said_too(tmp_path: Path) -> None:
    message = "cannot be written: the disk is on fire"
    with pytest.raises(InputError, match=message), replacing(tmp_path / "out.json", force=False):
        raise OSError("the disk is on fire")


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.json"

    def write_late() -> None:
        with replacing(path, force=False) as temporary:
            temporary.write_text("ours")
            path.write_text("theirs")

    with pytest.raises(InputError, match="exists"):
        write_late()

    assert path.read_text() == "theirs"
    assert [other.name for other in tmp_path.iterdir()] == ["out.json"]


def test_the_temporary_file_has_the_ending_of_the_output(tmp_path: Path) -> None:
    with replacing(tmp_path / "out.onnx", force=False) as temporary:
        temporary.write_text("x")

    assert temporary.suffix == ".onnx"
    assert temporary.parent == tmp_path


def test_a_broken_link_as_output_counts_as_there(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="exists"):
        write_text(path, "new", force=False)

    assert path.is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_force_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    path, precious = tmp_path / "out.json", tmp_path / "precious"
    precious.write_text("precious")
    path.symlink_to(precious)
    write_text(path, "new", force=True)

    assert path.read_text() == "new"
    assert not path.is_symlink()
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_as_output_is_refused(tmp_path: Path, force: bool) -> None:
    with pytest.raises(InputError, match="is a folder") as caught:
        require_writable(tmp_path, force=force)

    assert caught.value.hint == "name a file in it"


@pytest.mark.parametrize("force", [False, True])
def test_a_pipe_or_a_device_as_output_is_refused(fifo: Callable[[str], Path], force: bool) -> None:
    for path in (fifo("pipe"), Path("/dev/null")):
        with pytest.raises(InputError, match="is not a regular file"):
            require_writable(path, force=force)


def test_a_missing_folder_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder of output") as caught:
        require_writable(tmp_path / "new" / "out.json", force=False)

    assert caught.value.hint == f"mkdir -p '{tmp_path / 'new'}'"


def test_an_output_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    for name in ("a\0b", "a" * 300):
        with pytest.raises(InputError, match="cannot be written"):
            write_text(tmp_path / name, "x", force=False)


def test_a_read_only_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user writes to every folder")
    with pytest.raises(InputError, match="is not writable") as caught:
        require_writable(folder / "out.json", force=False)

    assert caught.value.hint
