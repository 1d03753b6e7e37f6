"""Names made harmless for a terminal."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.report.escape import (
    command_data,
    command_property,
    markdown_code,
    markdown_text,
    plain_line,
    printable,
    shortened,
    xml_text,
)


@pytest.mark.parametrize("text", ["plain", "ümläut", "[bold]", "a b", "日本語", "50 µs"])
def test_what_can_be_printed_stays(text):
    assert printable(text) == text


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "a\rb", "\x07", "\u202eabc", "\x9b31m", "\0"])
def test_what_moves_a_cursor_is_replaced(text):
    shown = printable(text)

    assert shown.isprintable()
    assert len(shown) == len(text)


@settings(deadline=None)
@given(st.text())
def test_nothing_that_comes_out_is_a_control_character(text):
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("line", "shown"),
    [("::error::x", ": :error::x"), ("  ::add-mask::x", "  : :add-mask::x"), ("a ::error::x", "a ::error::x")],
)
def test_a_line_is_no_workflow_command(line, shown):
    assert plain_line(line) == shown


def test_no_text_holds_a_command_of_the_old_form():
    assert printable("a ##[error]b") == "a ## [error]b"


def test_a_command_keeps_its_message_and_properties_apart():
    assert command_data("50 %\n::error::") == "50 %25\N{REPLACEMENT CHARACTER}::error::"
    assert command_property("a,line=2:b") == "a%2Cline=2%3Ab"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("size <= 200 KB", "`size <= 200 KB`"),
        ("a`b", "<code>a&#96;b</code>"),
        ("a|b", "<code>a&#124;b</code>"),
        ("<b>", "<code>&#60;b&#62;</code>"),
        ("", "<code></code>"),
    ],
)
def test_code_is_a_span_where_that_is_safe(text, code):
    assert markdown_code(text) == code


def test_words_are_neither_markup_nor_mentions_nor_links():
    assert markdown_text("*a* @b #1 https://c") == "&#42;a&#42; @\u200bb #\u200b1 https&#58;&#47;&#47;c"


def test_xml_holds_what_xml_can_hold():
    assert xml_text("a\tb\n\x1b\ud800\ufffe😀") == "a\tb\n" + "\N{REPLACEMENT CHARACTER}" * 3 + "😀"


def test_long_text_ends_in_dots():
    assert (shortened("abcd", 4), shortened("abcde", 4)) == ("abcd", "abc…")
