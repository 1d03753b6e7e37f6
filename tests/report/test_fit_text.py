"""Whether a model fits, as people read it: the verdict, why, and what would help."""

from typing import Any

import pytest

from edgeopt.report.fit_text import fit_rows


def need(needed: int, limit: float | None, fits: bool | None, **more: Any) -> dict[str, Any]:
    """What a model needs of a kind of memory."""
    return {
        "fits": fits,
        "needed_bytes": needed,
        "most_bytes": None,
        "limit_bytes": limit,
        "source": "the data sheet" if limit else None,
        "verified": True if limit else None,
        "parts": {},
        "sources": {},
        **more,
    }


def cpu_fit(**more: Any) -> dict[str, Any]:
    """A fit for a processor."""
    return {
        "target": "rpi4",
        "fits": True,
        "subject": "the model",
        "ram": need(396_584, 4e9, True),
        "flash": None,
        "arena": None,
        "peak": None,
        "lacking": [],
        "slow": [],
        "advice": [],
        "notes": [],
        "refusal": "",
        **more,
    }


def mcu_fit(**more: Any) -> dict[str, Any]:
    """A fit for a microcontroller."""
    flash = need(104_784, 2e6, True, most_bytes=276_176, parts={"model": 88_784, "code": 16_000})
    return {
        **cpu_fit(),
        "target": "stm32l4r5",
        "ram": need(55_888, 640_000, True),
        "flash": flash,
        "arena": {
            "needed_bytes": 55_888,
            "used_bytes": 55_884,
            "head_bytes": 50_192,
            "tail_bytes": 5_692,
            "assumed": [],
        },
        "peak": {
            "operator": "CONV_2D",
            "name": "stem",
            "live_bytes": 49_152,
            "buffers": [{"name": name, "bytes": 12_288} for name in "abcd"],
        },
        **more,
    }


def text_of(fit: dict[str, Any]) -> str:
    """All rows."""
    return "\n".join(f"{name} {text}" for name, text in fit_rows(fit))


@pytest.mark.parametrize(
    ("fits", "ram", "said"),
    [
        (True, 4e9, "fits: weights and activations need 397 KB, rpi4 has 4.00 GB (the data sheet)"),
        (False, 1e5, "DOES NOT FIT: weights and activations need 397 KB, rpi4 has 100 KB (the data sheet)"),
        (None, None, "weights and activations need 397 KB; the memory of rpi4 is not known"),
    ],
)
def test_a_processor_is_told_by_its_memory(fits: bool | None, ram: float | None, said: str) -> None:
    assert said in text_of(cpu_fit(fits=fits, ram=need(396_584, ram, fits)))


def test_a_microcontroller_is_told_by_arena_flash_and_peak() -> None:
    text = text_of(mcu_fit())
    assert text.startswith("fit fits: stm32l4r5, the model; estimated")
    assert (
        "RAM an arena of 55.9 KB (50.2 KB activations and scratch, 5.69 KB structures) of 640 KB (the data sheet)"
        in text
    )
    assert "flash 105 KB or more (88.8 KB model, 16.0 KB to 187 KB code of the runtime) of 2.00 MB" in text
    assert "peak 49.2 KB at CONV_2D `stem`: a 12.3 KB, b 12.3 KB, c 12.3 KB, and 1 more" in text


def test_what_is_short_or_lacking_is_named_with_what_would_help() -> None:
    lacking = [{"operator": "GELU", "count": 6, "reason": "TFLite Micro has no such operator"}]
    text = text_of(
        mcu_fit(fits=False, ram=need(55_888, 10_000, False), lacking=lacking, advice=["a smaller input: about 8 x 8"])
    )
    assert "DOES NOT FIT: stm32l4r5, the model (RAM is short, operators are lacking); estimated" in text
    assert "lacking 6 GELU: TFLite Micro has no such operator" in text
    assert "to fit a smaller input: about 8 x 8" in text


def test_what_is_open_is_told_as_open() -> None:
    unknown = text_of(mcu_fit(fits=None, ram=need(55_888, None, None)))
    assert "not known: stm32l4r5, the model (its RAM is not known)" in unknown
    assert "of an unknown amount" in unknown
    between = need(104_784, 110_000, None, most_bytes=276_176, parts={"model": 88_784, "code": 16_000})
    assert "(flash may be short)" in text_of(mcu_fit(fits=None, flash=between))


def test_a_limit_from_memory_is_told_as_not_verified() -> None:
    assert "640 KB (from memory, not verified)" in text_of(
        mcu_fit(ram=need(55_888, 640_000, True, source="from memory", verified=False))
    )


def test_tables_that_outgrow_the_head_and_unknown_kernels_are_told() -> None:
    arena = {"needed_bytes": 3_280, "used_bytes": 2_700, "head_bytes": 768, "tail_bytes": 1_932, "assumed": ["SVDF"]}
    text = text_of(mcu_fit(arena=arena, peak=None))
    assert "580 B more while it starts" in text
    assert "the memory of SVDF is taken to be small" in text
    assert "peak" not in text


def test_what_cmsis_takes_on_top_is_told() -> None:
    assert "5.69 KB structures, up to 60.5 KB with CMSIS-NN) of" in text_of(
        mcu_fit(ram=need(55_888, 640_000, True, most_bytes=60_496))
    )


def test_slow_operators_are_gathered_by_reason() -> None:
    slow = [{"operator": name, "count": 2, "reason": "computes in float32"} for name in ("CONV_2D", "ADD")]
    assert "slow computes in float32: 2 CONV_2D, 2 ADD" in text_of(mcu_fit(slow=slow))


def test_notes_come_last() -> None:
    assert text_of(mcu_fit(notes=["figures are those before Vela"])).endswith("note figures are those before Vela")


def test_a_refusal_is_told_with_its_reason() -> None:
    text = text_of(
        cpu_fit(fits=False, ram=None, refusal="it does not convert to TFLite: no `Det`", advice=["leave it out"])
    )
    assert text == "fit DOES NOT FIT: it does not convert to TFLite: no `Det`\nto fit leave it out"
