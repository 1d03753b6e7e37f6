"""Folders of images: one folder per class, in the order of their names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.core.artifact import TensorSpec
from edgeopt.data.images import read_image_folder
from edgeopt.data.read import read_dataset
from edgeopt.errors import ExtraMissing, InputError

Inputs = tuple[TensorSpec, ...]
Paint = Callable[..., Path]

pillow = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    path.mkdir()
    return path


@pytest.fixture
def paint(folder: Path) -> Paint:
    """Writes an image of one colour, 6 wide and 4 high, and gives its path."""

    def write(name: str, colour: Any = (255, 0, 0), size: tuple[int, int] = (6, 4)) -> Path:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        pillow.new("RGB", size, colour).save(path)
        return path

    return write


def test_classes_are_numbered_in_the_order_of_their_names(folder: Path, paint: Paint, image: Inputs) -> None:
    for name in ("dog/2.png", "dog/1.png", "ant/1.jpg", "cat/1.BMP"):
        paint(name)
    data = read_image_folder(folder, image)

    assert data.columns["file"].tolist() == ["ant/1.jpg", "cat/1.BMP", "dog/1.png", "dog/2.png"]
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 2]


def test_pixels_stay_bytes_and_are_laid_out_as_the_model_wants(folder: Path, paint: Paint, image: Inputs) -> None:
    paint("red/1.png", (255, 0, 7))
    data = read_dataset(str(folder), image)
    channels_last = (TensorSpec(name="image", shape=("batch", 4, 6, 3), dtype="float32"),)

    assert data.inputs["image"].dtype == np.uint8
    assert data.inputs["image"].shape == (1, 3, 4, 6)
    assert data.inputs["image"][0, :, 0, 0].tolist() == [255, 0, 7]
    assert read_image_folder(folder, channels_last).inputs["image"][0, 0, 0].tolist() == [255, 0, 7]


def test_images_are_resized_and_turned_grey_where_the_model_wants_it(folder: Path, paint: Paint) -> None:
    paint("a/1.png", (10, 10, 10), (50, 30))
    for shape in ((1, 1, 4, 6), (1, 4, 6, 1)):
        grey = (TensorSpec(name="image", shape=shape, dtype="float32"),)
        data = read_image_folder(folder, grey)

        assert data.inputs["image"].shape == shape
        assert set(data.inputs["image"].ravel().tolist()) == {10}


def test_hidden_folders_and_other_files_are_no_classes(folder: Path, paint: Paint, image: Inputs) -> None:
    paint("a/1.png")
    paint(".thumbnails/1.png")
    (folder / "README.txt").write_text("text")
    (folder / "a" / "notes.txt").write_text("text")
    data = read_image_folder(folder, image)

    assert data.columns["file"].tolist() == ["a/1.png"]
    assert data.labels is not None
    assert data.labels.tolist() == [0]


def test_the_digest_tells_other_pixels_and_other_classes_apart(folder: Path, paint: Paint, image: Inputs) -> None:
    paint("a/1.png")
    first = read_image_folder(folder, image).digest
    (folder / "a").rename(folder / "b")
    renamed = read_image_folder(folder, image).digest
    paint("b/1.png", (0, 0, 0))

    assert len({first, renamed, read_image_folder(folder, image).digest}) == 3


def test_a_folder_without_images_is_refused(folder: Path, image: Inputs) -> None:
    (folder / "a").mkdir()
    with pytest.raises(InputError, match="images` holds no images") as caught:
        read_image_folder(folder, image)

    assert caught.value.hint == "it needs one folder of images per class"


@pytest.mark.parametrize("content", [b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_a_damaged_image_is_refused_by_name(folder: Path, image: Inputs, content: bytes) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "1.png").write_bytes(content)
    with pytest.raises(InputError, match=r"image `.*1\.png` cannot be read: "):
        read_image_folder(folder, image)


def test_an_image_cut_off_is_refused(paint: Paint, folder: Path, image: Inputs) -> None:
    path = paint("a/1.png", size=(60, 40))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"image `.*1\.png` cannot be read: "):
        read_image_folder(folder, image)


def test_an_image_of_too_many_pixels_is_refused(
    paint: Paint, folder: Path, image: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint("a/1.png")
    monkeypatch.setattr(pillow, "MAX_IMAGE_PIXELS", 5)
    with pytest.raises(InputError, match="decompression bomb"):
        read_image_folder(folder, image)


def test_an_empty_image_and_a_folder_with_an_images_name_are_refused(folder: Path, image: Inputs) -> None:
    (folder / "a" / "1.png").mkdir(parents=True)
    with pytest.raises(InputError, match=r"image `.*1\.png` is not a regular file"):
        read_image_folder(folder, image)

    (folder / "a" / "1.png").rmdir()
    (folder / "a" / "1.png").touch()
    with pytest.raises(InputError, match=r"image `.*1\.png` is empty"):
        read_image_folder(folder, image)


def test_a_fifo_with_an_images_name_does_not_block(
    folder: Path, fifo: Callable[[str], Path], ends_soon: Callable[[Callable[[], object]], None], image: Inputs
) -> None:
    (folder / "a").mkdir()
    fifo("images/a/1.png")
    with pytest.raises(InputError, match="is not a regular file"):
        ends_soon(lambda: read_image_folder(folder, image))


@pytest.mark.parametrize(
    "shape", [("batch", 10), ("batch", 4, 8, 8), ("batch", 3, "height", "width"), (1, "h", "w", 3)]
)
def test_a_model_that_takes_no_images_of_one_size_is_refused(
    folder: Path, paint: Paint, shape: tuple[Any, ...]
) -> None:
    paint("a/1.png")
    with pytest.raises(InputError, match=r"is a folder of images, but the model takes x \(") as caught:
        read_image_folder(folder, (TensorSpec(name="x", shape=shape, dtype="float32"),))

    assert caught.value.hint == "give a .npz with one array per input"


def test_a_model_of_two_inputs_is_refused(folder: Path, paint: Paint, image: Inputs) -> None:
    paint("a/1.png")
    with pytest.raises(InputError, match=r"but the model takes image .*; image "):
        read_image_folder(folder, image + image)


def test_images_without_pillow_are_refused_with_the_pip_line(
    folder: Path, image: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ExtraMissing, match="is needed to read images") as caught:
        read_image_folder(folder, image)

    assert caught.value.hint == "pip install 'edgeopt[images]'"
