"""A header holds the model's bytes, aligned, for every C compiler, whatever the model is called."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeopt.core.dataset import no_samples
from edgeopt.errors import InputError
from edgeopt.steps.c_array import identifier_of, write_c_array
from edgeopt.steps.tflite.step import Tflite

COMPILERS = [("cc", "c99"), ("cc", "c11"), ("cc", "c17"), ("c++", "c++98"), ("c++", "c++11"), ("c++", "c++17")]
PROGRAM = """\
#include <stdint.h>
#include <stdio.h>
#include "model.h"
#include "model.h"
int main(void) {
  unsigned long sum = 0;
  unsigned int i;
  for (i = 0; i < model_it_len; i++) sum = (sum * 31 + model_it[i]) % 1000003;
  printf("%u %u %lu\\n", model_it_len, (unsigned)((uintptr_t)model_it % 16), sum);
  return 0;
}
"""


@pytest.fixture
def tflite(small_models: Any, save_model: Callable[..., Path]) -> Path:
    source = save_model(small_models.conv())
    made = source.with_suffix(".tflite")
    Tflite().apply(source, made, no_samples())
    return made


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("model.h", "model"),
        ("resnet8.int8.h", "model_resnet8"),
        ("7 things-to do.h", "model_7_things_to_do"),
        ("größe.h", "model_gr_e"),
        ("int.h", "model_int"),
        (".h", "model_h"),
        ("日本.h", "model_data"),
        ("model_kws.h", "model_kws"),
        ("x" * 300 + ".h", "model_" + "x" * 40),
    ],
)
def test_any_file_name_becomes_an_identifier(name: str, identifier: str) -> None:
    found = identifier_of(Path("folder", name))

    assert found.replace("model_model", "model") == identifier or found == identifier
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", found)


def test_the_header_says_what_it_holds(tflite: Path, tmp_path: Path) -> None:
    header = tmp_path / "model.h"

    write_c_array(tflite, header, name="model_it", source="conv.onnx")

    text = header.read_text()
    assert hashlib.sha256(tflite.read_bytes()).hexdigest() in text
    assert f"{tflite.stat().st_size:,} bytes" in text
    assert "input   image: float32 1x3x8x8" in text
    assert "output  scores: float32 1x5" in text
    assert "from `conv.onnx`" in text


def test_the_array_is_the_file(tflite: Path, tmp_path: Path) -> None:
    header = tmp_path / "model.h"

    write_c_array(tflite, header, name="model_it", source="x")

    numbers = re.findall(r"0x([0-9a-f]{2}),", header.read_text())
    assert bytes.fromhex("".join(numbers)) == tflite.read_bytes()


def test_a_hostile_name_does_not_end_the_comment(tflite: Path, tmp_path: Path) -> None:
    header = tmp_path / "model.h"

    write_c_array(tflite, header, name="model_it", source="*/ int main; /* \n#error é ??/")

    comment = header.read_text().partition("#ifndef")[0]
    assert comment.count("*/") == comment.count("/*") == 1
    assert "\n#error" not in comment
    assert comment.isascii()


@pytest.mark.parametrize(("compiler", "standard"), COMPILERS)
def test_compilers_take_it_and_align_it(tflite: Path, tmp_path: Path, compiler: str, standard: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler} here")
    write_c_array(tflite, tmp_path / "model.h", name="model_it", source="x")
    language = "c" if standard.startswith("c") and "+" not in standard else "c++"
    (tmp_path / "main.c").write_text(PROGRAM)
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", f"-std={standard}", "-x", language]
    subprocess.run([compiler, *strict, "main.c", "-o", "main"], cwd=tmp_path, check=True, timeout=100)

    told = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True, timeout=60).stdout

    expected = 0
    for value in tflite.read_bytes():
        expected = (expected * 31 + value) % 1000003
    assert told.split() == [str(tflite.stat().st_size), "0", str(expected)]


def test_what_is_no_tflite_file_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(b"no model at all")

    with pytest.raises(InputError, match="is not a TFLite model"):
        write_c_array(model, tmp_path / "model.h", name="model_it", source="x")
    assert not (tmp_path / "model.h").exists()
