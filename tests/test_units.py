"""Quantities are read as people write them, and written as people read them."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.errors import InputError
from edgeopt.units import (
    Dimension,
    Quantity,
    format_age,
    format_bytes,
    format_count,
    format_points,
    format_quantity,
    format_seconds,
    format_share,
    parse_quantity,
)

FINITE = st.floats(min_value=1e-8, max_value=1e11)


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("12 ms", 0.012, Dimension.SECONDS),
        ("12ms", 0.012, Dimension.SECONDS),
        ("  1.5 s ", 1.5, Dimension.SECONDS),
        ("3 µs", 3e-6, Dimension.SECONDS),
        ("3 μs", 3e-6, Dimension.SECONDS),  # the Greek letter
        ("3 us", 3e-6, Dimension.SECONDS),
        ("10min", 600, Dimension.SECONDS),
        ("2 h", 7200, Dimension.SECONDS),
        ("0.5 pt", 0.005, Dimension.POINTS),
        ("5 %", 0.05, Dimension.PERCENT),
        ("200 KB", 200_000, Dimension.BYTES),
        ("200 kb", 200_000, Dimension.BYTES),
        ("1.5 MiB", 1_572_864, Dimension.BYTES),
        ("7 B", 7, Dimension.BYTES),
        ("3 GB", 3e9, Dimension.BYTES),
        ("3 MB", 3e6, Dimension.BYTES),
        ("2 KiB", 2048, Dimension.BYTES),
        ("2 GiB", 2**31, Dimension.BYTES),
        ("40 ns", 4e-8, Dimension.SECONDS),
        ("2 mJ", 0.002, Dimension.JOULES),
        ("2 uJ", 2e-6, Dimension.JOULES),
        ("2 J", 2, Dimension.JOULES),
        ("-3 dB", -3, Dimension.DECIBELS),
        ("1.8 GHz", 1.8e9, Dimension.HERTZ),
        ("120 MHz", 1.2e8, Dimension.HERTZ),
        ("32 khz", 32_000, Dimension.HERTZ),
        ("50 Hz", 50, Dimension.HERTZ),
        ("42 mW", 0.042, Dimension.WATTS),
        ("3 uW", 3e-6, Dimension.WATTS),
        ("3 µW", 3e-6, Dimension.WATTS),
        ("7.2 W", 7.2, Dimension.WATTS),
        ("2.5 GB/s", 2.5e9, Dimension.BYTES_PER_SECOND),
        ("800 MB/s", 8e8, Dimension.BYTES_PER_SECOND),
        ("3 KB/s", 3000, Dimension.BYTES_PER_SECOND),
        ("3 B/s", 3, Dimension.BYTES_PER_SECOND),
        ("0.91", 0.91, Dimension.NUMBER),
        ("+.5e-1", 0.05, Dimension.NUMBER),
        ("1.", 1, Dimension.NUMBER),
    ],
)
def test_a_number_with_a_unit_is_read_in_the_base_unit(text: str, value: float, dimension: Dimension) -> None:
    quantity = parse_quantity(text)

    assert quantity.value == pytest.approx(value, rel=1e-12)
    assert quantity.dimension is dimension


@pytest.mark.parametrize(
    "text",
    ["", " ", "ms", "12 parsecs", "twelve ms", "1,5 ms", "1.2.3", "12 ms ms", "--1 s", "1e s", "0x10", "1_000 B"],
)
def test_nonsense_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_quantity(text)

    assert caught.value.message == f"`{text.strip()}` is not a quantity"
    assert caught.value.hint.startswith("write a number and a unit, as in `12 ms` or `200 KB`; units: ns, us, ms, s")


@pytest.mark.parametrize("text", ["nan", "NaN s", "inf", "-inf ms", "infinity", "1e400", "1e400 ms", "1e308 h"])
def test_a_number_that_is_not_finite_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a quantity"):
        parse_quantity(text)


@pytest.mark.parametrize("text", ["5 MJ", "5 Ms", "5 MS", "5 MW"])
def test_a_mega_unit_is_not_taken_for_a_milli_unit(text: str) -> None:
    with pytest.raises(InputError, match="is not a quantity"):
        parse_quantity(text)


def test_a_long_row_of_digits_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="is not a quantity"):
        parse_quantity("1" * 100_000 + "!")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ns"),
        (0.000234, "234 µs"),
        (1.2345e-7, "123 ns"),
        (0.01, "10.0 ms"),
        (12.345, "12.3 s"),
        (4000, "4000 s"),
        (-0.002, "-2.00 ms"),
        (0.0009996, "1.00 ms"),
        (9.996, "10.0 s"),
        (math.inf, "inf s"),
    ],
)
def test_times_have_three_digits_and_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (97_823, "97.8 KB"), (999_999, "1.00 MB"), (3.2e9, "3.20 GB")]
)
def test_sizes_have_three_digits_and_a_decimal_prefix(size: float, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (812, "812"), (12_501_632, "12.5 M"), (2.5e9, "2.50 G")])
def test_counts_have_three_digits_and_a_prefix(number: float, text: str) -> None:
    assert format_count(number) == text


def test_shares_are_per_cent_and_differences_are_signed_points() -> None:
    assert format_share(0.913) == "91.3 %"
    assert format_points(-0.005) == "-0.50 pt"
    assert format_points(0.01234) == "+1.23 pt"


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (0.012, Dimension.SECONDS, "12.0 ms"),
        (200_000, Dimension.BYTES, "200 KB"),
        (0.005, Dimension.POINTS, "0.5 pt"),
        (0.05, Dimension.PERCENT, "5 %"),
        (0.002, Dimension.JOULES, "0.002 J"),
        (31.42, Dimension.DECIBELS, "31.42 dB"),
        (1.8e9, Dimension.HERTZ, "1.80 GHz"),
        (50, Dimension.HERTZ, "50 Hz"),
        (0.0419, Dimension.WATTS, "41.9 mW"),
        (7.2, Dimension.WATTS, "7.20 W"),
        (2.74e9, Dimension.BYTES_PER_SECOND, "2.74 GB/s"),
        (0.91, Dimension.NUMBER, "0.91"),
    ],
)
def test_a_quantity_is_written_as_people_read_its_dimension(value: float, dimension: Dimension, text: str) -> None:
    assert format_quantity(value, dimension) == text
    assert str(Quantity(value, dimension)) == text


@given(value=FINITE, dimension=st.sampled_from(Dimension))
def test_what_is_written_reads_back_to_three_digits(value: float, dimension: Dimension) -> None:
    whole_bytes = round(value) if dimension is Dimension.BYTES else value
    quantity = parse_quantity(format_quantity(whole_bytes, dimension))

    assert quantity.dimension is dimension
    assert quantity.value == pytest.approx(whole_bytes, rel=0.006, abs=1e-12)


@given(st.floats(min_value=1e-9, max_value=999))
def test_a_written_time_has_three_digits(seconds: float) -> None:
    number, _, unit = format_seconds(seconds).partition(" ")

    assert len(number.replace(".", "").lstrip("0")) <= 3
    assert 1 <= float(number) < 1000
    assert unit in ("s", "ms", "µs", "ns")


@given(st.text(max_size=20))
def test_any_text_is_a_finite_quantity_or_a_refusal(text: str) -> None:
    with suppress(InputError):
        assert math.isfinite(parse_quantity(text).value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (7_200, "2 h"),
        (86_400 * 400, "400 d"),
    ],
)
def test_an_age_has_one_whole_unit(seconds: float, text: str) -> None:
    assert format_age(seconds) == text
