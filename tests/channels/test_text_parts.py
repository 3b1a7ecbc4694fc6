"""Text messages: how many parts they take, typographic signs made plain, and long texts divided."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plateau.channels import parts
from plateau.channels._gsm import is_gsm, plain
from plateau.channels._split import shortened, split, units

# 3GPP TS 23.038, 6.2.1, column by column, and 6.2.1.1: written down once more, apart from the code.
COLUMNS = [
    "@£$¥èéùìòÇ\nØø\rÅå", "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ", " !\"#¤%&'()*+,-./", "0123456789:;<=>?",
    "¡ABCDEFGHIJKLMNO", "PQRSTUVWXYZÄÖÑÜ§", "¿abcdefghijklmno", "pqrstuvwxyzäöñüà",
]  # fmt: skip
DOUBLE = "^{}\\[~]|€\f"
GSM = "".join(COLUMNS)


def oracle(text: str) -> int:
    """Parts by laying out one sign after the other, as a phone does."""
    gsm = all(sign in GSM + DOUBLE for sign in text)
    lengths = (
        [2 if sign in DOUBLE else 1 for sign in text]
        if gsm
        else [len(sign.encode("utf-16-le", "surrogatepass")) // 2 for sign in text]
    )
    alone, several = (160, 153) if gsm else (70, 67)
    if sum(lengths) <= alone:
        return min(1, len(lengths))
    laid = [0]
    for length in lengths:
        if laid[-1] + length > several:
            laid.append(0)
        laid[-1] += length
    return len(laid)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        # A sign of two septets is not torn: 76 of them fill 152 of the 153.
        ("€" * 152, 2),
        ("€" * 153, 3),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("a" * 69 + "ж", 1),
        ("a" * 160 + "ж", 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 67, 3),
        ("á" * 70, 1),
        ("á" * 71, 2),
        ("é" * 160, 1),
    ],
)
def test_parts_are_those_of_the_standard(text: str, count: int) -> None:
    assert parts(text) == count


def test_the_alphabet_has_127_signs_and_the_extension_10() -> None:
    assert len(set(GSM)) == 127 and len(set(DOUBLE)) == 10
    assert all(is_gsm(sign) for sign in GSM + DOUBLE)
    assert not any(is_gsm(chr(code)) for code in range(0x250) if chr(code) not in GSM + DOUBLE)


@given(text=st.one_of(st.text(GSM + DOUBLE, max_size=400), st.text(max_size=200), st.text("a€ж😀", max_size=400)))
def test_parts_agree_with_laying_them_out(text: str) -> None:
    assert parts(text) == oracle(text)


@pytest.mark.parametrize(
    ("typographic", "made"),
    [
        ("“Yes”", '"Yes"'),
        ("the runner’s knee", "the runner's knee"),
        ("0–10 — or not", "0-10 - or not"),
        ("wait…", "wait..."),
        ("10\u00a0weeks", "10 weeks"),
        ("a\r\nb", "a\nb"),
        ("e\u0301", "é"),
        ("• one", "- one"),
        ("zero\u200bwidth\u2060", "zerowidth"),
        ("tab\there", "tab here"),
        ("😀 жук á", "😀 жук á"),
    ],
)
def test_typographic_signs_are_made_plain_and_a_patients_own_stay(typographic: str, made: str) -> None:
    assert plain(typographic) == made


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("Short.", 10, ["Short."]),
        ("One two. Three four.", 12, ["One two.", "Three four."]),
        ("One two. Three four.", 20, ["One two. Three four."]),
        ("Really? Yes. No.", 12, ["Really? Yes.", "No."]),
        ("One. Two three four", 12, ["One.", "Two three", "four"]),
        ("one\ntwo three four", 12, ["one", "two three", "four"]),
        ('She said "no." He did.', 16, ['She said "no."', "He did."]),
        ("one two three four", 9, ["one two", "three", "four"]),
        ("first line\nsecond line", 12, ["first line", "second line"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("1. Do this now and here", 12, ["1. Do this", "now and here"]),
        ("See https://a.example/x now", 21, ["See", "https://a.example/x", "now"]),
        ("", 5, []),
        ("   ", 5, []),
    ],
)
def test_a_text_is_divided_at_sentences_then_words(text: str, limit: int, pieces: list[str]) -> None:
    assert split(text, limit) == pieces


TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(
        st.sampled_from(
            ["One.", "two", "Three?", "\n", "1.", "https://a.example/b?c=d", "😀", "€uro", "“so”", "word" * 9]
        )
    ).map(" ".join),
)


@given(text=TEXTS, limit=st.integers(2, 120))
@example(text="a b", limit=2)
def test_divided_nothing_is_lost_and_every_piece_fits(text: str, limit: int) -> None:
    pieces = split(text, limit)
    assert re.sub(r"\s+", "", "".join(pieces)) == re.sub(r"\s+", "", text)
    assert all(0 < units(piece) <= limit for piece in pieces)


@given(text=TEXTS, limit=st.integers(1, 3))
def test_divided_by_parts_every_piece_is_one_to_pay_for(text: str, limit: int) -> None:
    assert all(parts(piece) <= limit for piece in split(text, limit, parts))


@given(before=st.text("ab. ", max_size=80), after=st.text("ab. ", max_size=80), limit=st.integers(30, 60))
def test_a_link_that_fits_is_never_cut(before: str, after: str, limit: int) -> None:
    link = "https://riverside.example/p/x"
    pieces = split(f"{before} {link} {after}", limit)
    assert any(link in piece for piece in pieces)


@given(text=TEXTS, limit=st.integers(6, 60))
def test_what_is_shortened_is_one_line_that_fits(text: str, limit: int) -> None:
    short = shortened(text, limit, "...")
    assert units(short) <= limit and "\n" not in short
    assert short == " ".join(text.split()) or short.endswith("...")


def test_a_long_text_takes_about_as_many_messages_as_its_length_says() -> None:
    text = "This is a sentence of some length that says nothing. " * 40
    assert len(split(text, 3, parts)) <= math.ceil(len(text) / 400)
