"""The pictures: well-formed, plain SVG that says in words and shapes what it shows, whatever the patient wrote."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plateau.protocol import QUESTIONS
from plateau.report import _pictures as pictures
from plateau.report._pictures import (
    AdherenceLabels,
    BodyLabels,
    FunctionBar,
    FunctionLabels,
    PainLabels,
    PainPoint,
    Side,
    adherence_bar,
    body_map,
    function_bars,
    pain_chart,
)

NS = "{http://www.w3.org/2000/svg}"
PAIN = PainLabels("Pain", "Pain by visit", "0 none, 10 worst", "Now", "Worst", "Start (recalled)", "A real change")
FUNCTION = FunctionLabels("Function", "What you can do", "unable", "as before", "At first", "Today")
ADHERENCE = AdherenceLabels("Exercises", "Days a week", "3 of 5 days")
BODY = BodyLabels("Body", "Where", "Front", "Back", "left", "right", "Treated", "Hurts")
REGIONS = QUESTIONS["body_region"].values
LIMBS = "shoulder arm elbow wrist_hand hip thigh knee lower_leg ankle_foot".split()
NASTY = "<b>&\"' \x00\x0b\ud800 ]]> </text><script>"
VISITS = [PainPoint(f"{1 + i} Mar", 6 - i % 4, 8) for i in range(20)]

SAMPLES: dict[str, str] = {
    "one visit": pain_chart([PainPoint("12 Mar", 5, 8)], baseline=7, mid=2, labels=PAIN),
    "two visits": pain_chart(VISITS[:2], baseline=7, mid=2, labels=PAIN),
    "twelve visits": pain_chart(VISITS[:12], baseline=None, mid=None, labels=PAIN),
    "nothing known": pain_chart([PainPoint("12 Mar", None, None)], baseline=None, mid=2, labels=PAIN),
    "function": function_bars([FunctionBar("stairs", 3, 6), FunctionBar("socks", None, 0)], labels=FUNCTION),
    "exercises": adherence_bar(2.5, 5, labels=ADHERENCE),
    "body": body_map("knee", side="left", hurts_at="lower_back", labels=BODY),
    "nasty pain": pain_chart([PainPoint(NASTY, 1, 2)], baseline=3, mid=2, labels=PainLabels(*[NASTY] * 7)),
    "nasty function": function_bars([FunctionBar(NASTY, 1, 2)], labels=FunctionLabels(*[NASTY] * 6)),
    "nasty exercises": adherence_bar(1, 3, labels=AdherenceLabels(*[NASTY] * 3)),
    "nasty body": body_map("hip", side=None, hurts_at="knee", labels=BodyLabels(*[NASTY] * 8)),
}


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 (our own picture)


def words(svg: str) -> list[str]:
    return [text.text or "" for text in parsed(svg).iter(f"{NS}text")]


def painted(svg: str, fill: str, tag: str = "path") -> list[ET.Element]:
    return [shape for shape in parsed(svg).iter(NS + tag) if shape.get("fill") == fill]


def marks(svg: str) -> dict[str, list[ET.Element]]:
    """The marks of each view of a body map."""
    front, back = (group for group in parsed(svg) if group.tag == f"{NS}g")
    return {
        view: [path for path in group.iter(f"{NS}path") if path.get("stroke") in (pictures.BRAND, pictures.INK)]
        for view, group in (("front", front), ("back", back))
    }


def xs(path: ET.Element) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", path.get("d", ""))[::2]]


@pytest.mark.parametrize("svg", SAMPLES.values(), ids=SAMPLES)
def test_every_picture_is_plain_and_has_its_text_alternative(svg: str) -> None:
    root = parsed(svg)
    assert (root.tag, root.get("role"), root[0].tag, root[1].tag) == (f"{NS}svg", "img", f"{NS}title", f"{NS}desc")
    assert root[0].text
    assert root[1].text
    assert [root.get("aria-labelledby"), root.get("aria-describedby")] == [root[0].get("id"), root[1].get("id")]
    assert re.fullmatch(r"0 0 340 [\d.]+", root.get("viewBox", ""))
    for element in root.iter():
        assert element.tag.removeprefix(NS) in {
            *("svg", "title", "desc", "defs", "clipPath", "pattern", "g", "path", "rect", "line", "circle", "polygon"),
            "text",
        }
        for name, value in element.attrib.items():
            assert name not in ("style", "class", "href") and not name.startswith("on")
            assert "url(" not in value or value.startswith("url(#body-")


def test_words_are_escaped() -> None:
    svg = function_bars([FunctionBar('<b>&"', 1, 2)], labels=replace(FUNCTION, title='<b>&"', desc="a < b"))
    assert words(svg)[0] == '<b>&"'
    assert (parsed(svg)[0].text, parsed(svg)[1].text) == ('<b>&"', "a < b")
    assert "<b>" not in svg


def test_two_pictures_on_a_page_share_no_id() -> None:
    ids = [element.get("id") for svg in SAMPLES.values() for element in parsed(svg).iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("ground", [pictures.PAPER, pictures.TINT])
def test_text_stands_out(ground: str) -> None:
    used = {text.get("fill", "") for svg in SAMPLES.values() for text in parsed(svg).iter(f"{NS}text")}
    assert used == {pictures.INK, pictures.SOFT, pictures.BRAND}
    assert all((luminance(ground) + 0.05) / (luminance(fill) + 0.05) >= 4.5 for fill in used)


# ---- pain


@pytest.mark.parametrize("many", range(1, 21))
@pytest.mark.parametrize("baseline", [None, 8])
def test_dates_are_thinned_and_stand_apart(many: int, baseline: float | None) -> None:
    svg = pain_chart(VISITS[:many], baseline=baseline, mid=2, labels=PAIN)
    dates = [(float(t.get("x", "")), t.text or "") for t in parsed(svg).iter(f"{NS}text") if "Mar" in (t.text or "")]
    assert [dates[0][1], dates[-1][1]] == [VISITS[0].visit, VISITS[many - 1].visit]
    assert all(x + 0.55 * 13 * len(text) < after for (x, text), (after, _) in pairwise(dates))


@pytest.mark.parametrize("recalled", ["Start", "Start of therapy, as you remember it today"])
@pytest.mark.parametrize("many", [1, 2, 12])
def test_the_recalled_start_is_hollow_and_named(many: int, recalled: str) -> None:
    svg = pain_chart(VISITS[:many], baseline=7, mid=2, labels=replace(PAIN, recalled=recalled))
    [circle] = painted(svg, pictures.PAPER, "circle")
    assert circle.get("stroke-dasharray")
    assert recalled in " ".join(words(svg))


@pytest.mark.parametrize(
    ("first", "baseline", "mid", "share"),
    [(5, 7, 2, 0.5), (6, None, 2, 0.4), (6, 6, 1.5, 0.45), (5, 1, 2, None), (None, None, 2, None), (5, 7, None, None)],
)
def test_the_band_is_a_real_change_below_the_reference(
    first: float | None, baseline: float | None, mid: float | None, share: float | None
) -> None:
    svg = pain_chart([PainPoint("12 Mar", first, None)], baseline=baseline, mid=mid, labels=PAIN)
    heights = [float(rect.get("height", "")) / 200 for rect in painted(svg, pictures.TINT, "rect")][:1]
    assert heights == ([] if share is None else [pytest.approx(share)])
    assert (PAIN.band in words(svg)) is (share is not None)


def test_an_unknown_score_is_a_gap() -> None:
    svg = pain_chart(
        [PainPoint("a", 5, None), PainPoint("b", None, None), PainPoint("c", 4, None)],
        baseline=None,
        mid=None,
        labels=PAIN,
    )
    lines = [line for line in parsed(svg).iter(f"{NS}line") if line.get("stroke") == pictures.BRAND]
    assert len(lines) == 1, "the legend's alone"
    assert PAIN.worst not in words(svg)


# ---- function


@pytest.mark.parametrize(
    ("first", "now", "number"), [(3, 6, "3 → 6"), (None, 2.5, "2.5"), (5, 5, "5 → 5"), (10, 0, "10 → 0")]
)
def test_a_bar_ends_in_its_numbers(first: float | None, now: float, number: str) -> None:
    svg = function_bars([FunctionBar("stairs", first, now)], labels=FUNCTION)
    assert number in words(svg)
    assert (FUNCTION.first in words(svg)) is (first is not None)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("walking", ["walking"]),
        ("putting on my socks and shoes in the morning", ["putting on my socks and shoes in", "the morning"]),
        (
            "lifting my granddaughter out of the car seat without my back giving way like last summer",
            ["lifting my granddaughter out of", "the car seat without my back…"],
        ),
        ("x" * 100, ["x" * 34, "x" * 33 + "…"]),
        ("", []),
    ],
)
def test_a_long_name_is_cut_at_a_word(name: str, shown: list[str]) -> None:
    drawn = words(function_bars([FunctionBar(name, None, 4)], labels=FUNCTION))
    assert drawn[: drawn.index("4")] == shown


# ---- exercise


@pytest.mark.parametrize(
    ("done", "prescribed", "filled", "drawn"),
    [
        (3, 5, [1, 1, 1], [1] * 5),
        (2.5, 7, [1, 1, 0.5], [1] * 7),
        (0, 3, [], [1] * 3),
        (0.25, 1, [0.25], [1]),
        (3.5, 3.5, [1, 1, 1, 0.5], [1, 1, 1, 0.5]),
        (5, 3, [1] * 5, [1] * 5),
        (0, 0, [], []),
    ],
)
def test_days_are_segments(done: float, prescribed: float, filled: list[float], drawn: list[float]) -> None:
    svg = adherence_bar(done, prescribed, labels=ADHERENCE)

    def days(fill: str) -> list[float]:
        return [float(rect.get("width", "")) / 21 for rect in painted(svg, fill, "rect")]

    assert (days(pictures.BRAND), days("none")) == (pytest.approx(filled), pytest.approx(drawn))
    assert words(svg) == [ADHERENCE.beside]
    beyond = list(parsed(svg).iter(f"{NS}line"))
    assert len(beyond) == (done > prescribed)


# ---- body


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_draws(region: str) -> None:
    drawn = marks(body_map(region, side="both", hurts_at=None, labels=BODY))
    backs, fronts = ("upper_back", "lower_back"), ("jaw",)
    assert bool(drawn["front"]) is (region not in ("other", *backs))
    assert bool(drawn["back"]) is (region not in ("other", *fronts))


def test_the_map_holds_exactly_the_regions_of_the_question() -> None:
    assert set(pictures._body()["regions"]) == set(REGIONS)


@pytest.mark.parametrize("region", LIMBS)
@pytest.mark.parametrize(("side", "front", "back"), [("left", 1, -1), ("right", -1, 1)])
def test_a_side_is_the_patients(region: str, side: Side, front: int, back: int) -> None:
    drawn = marks(body_map(region, side=side, hurts_at=None, labels=BODY))
    for view, sign in (("front", front), ("back", back)):
        assert drawn[view]
        assert all(sign * x > 0 for path in drawn[view] for x in xs(path))


@pytest.mark.parametrize(
    ("side", "fill", "dashed"), [("both", pictures.BRAND, False), (None, pictures.TINT, True)], ids=["both", "unknown"]
)
def test_without_a_side_both_are_marked_lightly(side: Side | None, fill: str, dashed: bool) -> None:
    for paths in marks(body_map("knee", side=side, hurts_at=None, labels=BODY)).values():
        assert [path.get("fill") for path in paths] == [fill] * 2
        assert all((path.get("stroke-dasharray") is not None) is dashed for path in paths)


@pytest.mark.parametrize("region", ["neck", "jaw", "upper_back", "lower_back", "pelvis", "widespread"])
def test_the_middle_of_the_body_has_no_side(region: str) -> None:
    for paths in marks(body_map(region, side="left", hurts_at=None, labels=BODY)).values():
        assert all(min(xs(path)) == -max(xs(path)) for path in paths)


@pytest.mark.parametrize(
    ("region", "hurts_at", "legend"),
    [
        ("knee", "hip", ["Treated", "Hurts"]),
        ("knee", "knee", ["Treated"]),
        ("knee", None, ["Treated"]),
        ("widespread", "hip", ["Treated", "Hurts"]),
        ("other", "hip", ["Hurts"]),
        ("other", "other", []),
        (None, None, []),
    ],
)
def test_what_hurts_is_hatched_and_the_legend_names_what_is_drawn(
    region: str | None, hurts_at: str | None, legend: list[str]
) -> None:
    svg = body_map(region, side="left", hurts_at=hurts_at, labels=BODY)
    assert [word for word in words(svg) if word in (BODY.treated, BODY.hurts)] == legend
    hatched = [path for path in parsed(svg).iter(f"{NS}path") if path.get("fill", "").startswith("url(#")]
    assert bool(hatched) is (BODY.hurts in legend)
    patterns = {f"url(#{pattern.get('id')})" for pattern in parsed(svg).iter(f"{NS}pattern")}
    assert {path.get("fill") for path in hatched} <= patterns


def test_left_and_right_are_named_on_the_viewers_side() -> None:
    texts = [(float(t.get("x", "")), t.text) for t in parsed(SAMPLES["body"]).iter(f"{NS}text")]
    assert [text for _, text in sorted(texts) if text in ("left", "right")] == ["right", "left", "left", "right"]


# ---- anything in range

scores = st.floats(0, 10) | st.integers(0, 10)
maybe = st.none() | scores
texts = st.text(st.characters(), max_size=60)


@given(
    st.lists(st.builds(PainPoint, texts, maybe, maybe), min_size=1, max_size=20),
    maybe,
    st.none() | st.floats(0, 10),
    st.builds(PainLabels, *[texts] * 7),
)
def test_any_pain_is_well_formed(
    points: list[PainPoint], baseline: float | None, mid: float | None, labels: PainLabels
) -> None:
    within(pain_chart(points, baseline=baseline, mid=mid, labels=labels))


@given(st.lists(st.builds(FunctionBar, texts, maybe, scores), max_size=3), st.builds(FunctionLabels, *[texts] * 6))
def test_any_function_is_well_formed(bars: list[FunctionBar], labels: FunctionLabels) -> None:
    within(function_bars(bars, labels=labels))


@given(st.floats(0, 7), st.floats(0, 7), st.builds(AdherenceLabels, *[texts] * 3))
def test_any_exercise_is_well_formed(done: float, prescribed: float, labels: AdherenceLabels) -> None:
    within(adherence_bar(done, prescribed, labels=labels))


@given(
    st.sampled_from([None, *REGIONS]),
    st.sampled_from([None, "left", "right", "both"]),
    st.sampled_from([None, *REGIONS]),
    st.builds(BodyLabels, *[texts] * 8),
)
def test_any_body_is_well_formed(
    region: str | None, side: Side | None, hurts_at: str | None, labels: BodyLabels
) -> None:
    within(body_map(region, side=side, hurts_at=hurts_at, labels=labels))


def within(svg: str) -> None:
    """Well-formed, and nothing is placed outside the picture."""
    root = parsed(svg)
    height = float(root.get("viewBox", "").split()[-1])
    for element in root.findall(f"{NS}text") + root.findall(f"{NS}circle") + root.findall(f"{NS}line"):
        for name, value in element.attrib.items():
            if name in ("x", "cx", "x1", "x2", "y", "cy", "y1", "y2"):
                assert 0 <= float(value) <= (340 if "x" in name else height), ET.tostring(element)
