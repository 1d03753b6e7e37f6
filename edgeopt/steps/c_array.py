"""A model as a C array: a header that microcontroller firmware includes, for C99 and later and for C++.

The array is aligned to 16 bytes, which TFLite's flatbuffers need: TFLite Micro reads weights where they lie.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgeopt._version import __version__
from edgeopt.core.artifact import TensorSpec
from edgeopt.graph.tflite.read import read_content, read_tflite

ALIGNMENT = 16  # bytes
_PER_LINE = 16
_CHUNK_LINES = 1 << 14
# C99 and C11 tell 63 characters of a name apart (5.2.4.1); `_SCALE` and the like are put behind it.
_LONGEST_NAME = 40
_TEMPLATE = """\
/* Made by edgeopt {version} from `{source}`; do not edit. Include it in one source file.
 *
 * sha256  {sha256}
 * size    {size:,} bytes
{tensors}
 * An integer stands for the number (integer - zero point) * scale.
 */
#ifndef {guard}
#define {guard}

#if defined(__cplusplus) && __cplusplus >= 201103L
#define {macro}_ALIGN alignas({alignment})
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define {macro}_ALIGN _Alignas({alignment})
#elif defined(__GNUC__) || defined(__clang__) || defined(__CC_ARM) || defined(__TI_COMPILER_VERSION__)
#define {macro}_ALIGN __attribute__((aligned({alignment})))
#elif defined(_MSC_VER)
#define {macro}_ALIGN __declspec(align({alignment}))
#elif defined(__ICCARM__)
#define {macro}_ALIGN _Pragma("data_alignment={alignment}")
#else
#error "say here how this compiler aligns an array to {alignment} bytes"
#define {macro}_ALIGN
#endif

"""


def identifier_of(path: Path) -> str:
    """A C identifier for the model in a file: `model_` and the name without what C does not take, at most 46 long."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", path.name.partition(".")[0] if path.name[:1] != "." else path.name)
    name = plain.strip("_")[:_LONGEST_NAME].strip("_")
    return name if name.startswith("model_") else f"model_{name}" if name else "model_data"


def write_c_array(model: Path, header: Path, *, name: str, source: str) -> None:
    """Write the TFLite file `model` as the C header `header`.

    Args:
        model: A TFLite file.
        header: Where the header goes.
        name: Identifier of the array; its length in bytes is called the same with `_len` behind it.
        source: What the model was made from, for people.

    Raises:
        InputError: `model` is no TFLite file, or a damaged one.
    """
    content = read_content(model)
    interface = read_tflite(model, content).interface
    lines = [*_lines("input", interface.inputs), *_lines("output", interface.outputs)]
    with header.open("wb") as stream:
        stream.write(
            _TEMPLATE.format(
                version=__version__,
                source=_harmless(source),
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                tensors="\n".join(lines),
                guard=f"EDGEOPT_{name.upper()}_H",
                macro=name.upper(),
                alignment=ALIGNMENT,
            ).encode()
        )
        stream.write(f"{name.upper()}_ALIGN static const unsigned char {name}[{len(content)}] = {{\n".encode())
        stream.writelines(_bytes_as_text(content))
        stream.write(f"}};\nstatic const unsigned int {name}_len = {len(content)}u;\n\n".encode())
        stream.write(f"#endif /* EDGEOPT_{name.upper()}_H */\n".encode())


def _lines(what: str, specs: tuple[TensorSpec, ...]) -> Iterator[str]:
    for spec in specs:
        axes = "x".join(str(length) if isinstance(length, int) else "?" for length in spec.shape) or "scalar"
        by = spec.quantization
        scale = f", scale {by.scale:.9g}, zero point {by.zero_point}" if by else ""
        yield f" * {what:<7} {_harmless(spec.name)}: {spec.dtype} {axes}{scale}"


def _harmless(text: str) -> str:
    """A name from a file as a comment may hold it: one line of ASCII that does not end the comment."""
    plain = text.encode("ascii", "backslashreplace").decode()
    printable = "".join(letter if letter.isprintable() else "?" for letter in plain)
    return printable.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")[:200]


def _bytes_as_text(content: bytes) -> Iterator[bytes]:
    """`0x1c,0x00,...` in lines of 16 bytes, a few thousand lines at a time: 10 MB take a tenth of a second."""
    table = np.frombuffer(b"".join(b"0x%02x," % value for value in range(256)), np.uint8).reshape(256, 5)
    values = np.frombuffer(content, np.uint8)
    whole = len(values) // _PER_LINE * _PER_LINE
    lines = values[:whole].reshape(-1, _PER_LINE)
    for start in range(0, len(lines), _CHUNK_LINES):
        chunk = lines[start : start + _CHUNK_LINES]
        text = np.empty((len(chunk), _PER_LINE * 5 + 1), np.uint8)
        text[:, :-1] = table[chunk].reshape(len(chunk), -1)
        text[:, -1] = ord("\n")
        yield text.tobytes()
    if whole < len(values):
        yield table[values[whole:]].tobytes() + b"\n"
