"""The pictures of a re-evaluation as plain SVG 1.1, for a page, a print-out and a PDF.

Each picture holds its whole look in presentation attributes, so that a strict content security policy and Typst both
draw it, and brings its own white ground. Shapes and patterns differ without colour. All words come from the caller.
Lengths are in the picture's own units: a picture is `WIDTH` wide and is meant to be shown 320 to 480 px wide.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

WIDTH = 340
FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
INK, SOFT, LINE, BRAND, TINT, PAPER = "#14262b", "#48595f", "#b9c6c7", "#0b6660", "#d3e6e4", "#ffffff"
TEXT, SMALL = 14, 13
EDGE = 10

Side = Literal["left", "right", "both"]
Point = tuple[float, float]
_Drawn = Callable[[float, float], str]


@dataclass(frozen=True, slots=True)
class PainPoint:
    """One visit: its date as shown, and the pain now and at its worst (NPRS, 0 to 10; None is not known)."""

    visit: str
    now: float | None
    worst: float | None


@dataclass(frozen=True, slots=True)
class PainLabels:
    """Words of the pain chart; `scale` says what 0 and 10 mean, `band` what the shaded band is."""

    title: str
    desc: str
    scale: str
    now: str
    worst: str
    recalled: str
    band: str


@dataclass(frozen=True, slots=True)
class FunctionBar:
    """One activity (PSFS): its name in the patient's words, the first score (None: not known) and the score now."""

    name: str
    first: float | None
    now: float


@dataclass(frozen=True, slots=True)
class FunctionLabels:
    """Words of the function bars; `low` and `high` say what 0 and 10 mean."""

    title: str
    desc: str
    low: str
    high: str
    first: str
    now: str


@dataclass(frozen=True, slots=True)
class AdherenceLabels:
    """Words of the adherence bar; `beside` is the sentence beside it, such as days done of days prescribed."""

    title: str
    desc: str
    beside: str


@dataclass(frozen=True, slots=True)
class BodyLabels:
    """Words of the body map; `left` and `right` are the patient's, `treated` and `hurts` explain the marks."""

    title: str
    desc: str
    front: str
    back: str
    left: str
    right: str
    treated: str
    hurts: str


# ---- pain


def pain_chart(points: Sequence[PainPoint], *, baseline: float | None, mid: float | None, labels: PainLabels) -> str:
    """Draw pain over 1 to 20 visits.

    `baseline` is the pain at the start of therapy as recalled (NPRS, 0 to 10); `mid` the smallest change that matters
    (NPRS points). The shaded band holds every score at least `mid` below the baseline, or below the first known score.
    """
    left, right = 30.0, WIDTH - EDGE
    scale = _wrapped(labels.scale, width=WIDTH - 2 * EDGE, lines=2, size=SMALL)
    top = 20.0 + 17 * len(scale) + 14
    bottom = top + 200
    shift = 0 if baseline is None else 1
    step = (right - left) / max(1, len(points) + shift)

    def x(column: int) -> float:
        return left + (column + 0.5) * step

    def y(score: float) -> float:
        return bottom - (bottom - top) * score / 10

    radius = 5.0 if step >= 24 else 4.0
    now = [(x(i + shift), y(point.now)) if point.now is not None else None for i, point in enumerate(points)]
    worst = [(x(i + shift), y(point.worst)) if point.worst is not None else None for i, point in enumerate(points)]
    drawn = list(_texts(scale, EDGE, 20, size=SMALL, fill=SOFT))

    reference = next((score for score in (baseline, *(point.now for point in points)) if score is not None), None)
    real = None if reference is None or mid is None or reference < mid else y(reference - mid)
    if real is not None:
        drawn.append(_rect(left, real, right - left, bottom - real, TINT))
    for score in range(0, 11, 2):
        drawn.append(_line((left, y(score)), (right, y(score)), LINE if score else SOFT, 1))
        drawn.append(_text(score, left - 8, y(score) + 4.5, size=SMALL, fill=SOFT, anchor="end"))

    if real is not None:
        drawn.append(_threshold(left, real, right - left))
    first = next((at for at in now if at is not None), None)
    start = None if baseline is None else (x(0), y(baseline))
    if start and first:
        drawn.append(_line(start, first, SOFT, 1.5, dash="2 4"))
    drawn += _joined(worst, SOFT, 1.5, dash="6 4")
    drawn += _joined(now, BRAND, 2.5)
    drawn += [_triangle(*at, radius) for at in worst if at]
    drawn += [_dot(*at, radius) for at in now if at]
    if start and baseline is not None:
        drawn.append(_recalled(*start, radius))
        drawn.append(_text(_score(baseline), start[0], start[1] - 11, size=SMALL, fill=SOFT, anchor="middle"))
    before = None if start is None or not now or now[0] is None else baseline
    drawn += _pain_numbers(points, now, worst, before=before, every=step >= 30)

    lowest = min((score for point in points for score in (point.now, point.worst) if score is not None), default=10.0)
    below = bottom + max(20.0, 36 - (bottom - top) / 10 * lowest)
    dates = _spread([(x(i + shift), point.visit) for i, point in enumerate(points)], begin=start[0] + 5 if start else 2)
    drawn += [_text(text, begin, below, size=SMALL, fill=SOFT) for begin, _, text in dates]
    if start:
        recalled = _wrapped(labels.recalled, width=max(76.0, min(144.0, step - 6)), lines=3, size=SMALL)
        begin = max(2.0, start[0] - _longest(recalled) / 2)
        if any(line.endswith("…") for line in recalled) or (dates and begin + _longest(recalled) + 6 > dates[0][0]):
            recalled = _wrapped(labels.recalled, width=WIDTH - 2 * EDGE, lines=2, size=SMALL)
            begin = max(float(EDGE), start[0] - _longest(recalled) / 2)
            drawn.append(_line((start[0], bottom + 4), (start[0], below + 6), SOFT, 1, dash="2 3"))
            below += 20
        middle = begin + _longest(recalled) / 2
        drawn += _texts(recalled, middle, below, size=SMALL, fill=SOFT, anchor="middle")
        below += 17 * (len(recalled) - 1)

    items: list[tuple[_Drawn, str]] = [(lambda a, b: _keyed(a, b, BRAND, 2.5, None, _dot(a + 13, b, 5)), labels.now)]
    if any(worst):
        items.append((lambda a, b: _keyed(a, b, SOFT, 1.5, "6 4", _triangle(a + 13, b, 5)), labels.worst))
    if real is not None:
        items.append((lambda a, b: _band(a, b - 6, 26, 12), labels.band))
    legend, height = _legend(items, below + 16)
    return _picture(height, labels.title, labels.desc, [*drawn, *legend])


def _pain_numbers(
    points: Sequence[PainPoint],
    now: Sequence[Point | None],
    worst: Sequence[Point | None],
    *,
    before: float | None,
    every: bool,
) -> Iterator[str]:
    """The scores beside their markers, clear of the lines; if not `every`, only those of the first and the last."""
    for i in range(len(points)) if every else _ends(now):
        at, score, other = now[i], points[i].now, points[i].worst
        if at is None or score is None:
            continue
        neighbours = [before if i == 0 else points[i - 1].now, points[i + 1].now if i + 1 < len(points) else None]
        falls = any(near is not None and near < score for near in neighbours)
        above = other == score or (other is None and falls) or (other is not None and other < score)
        above = above or (falls and other is not None and other - score >= 1.5)
        height = at[1] - 9 if above else at[1] + 18
        yield _text(_score(score), at[0], height, size=SMALL, fill=BRAND, anchor="middle", weight="700")
    for i in range(len(points)) if every else _ends(worst):
        at, score, other = worst[i], points[i].worst, points[i].now
        if at is None or score is None or (score == other and (every or i in _ends(now))):
            continue
        height = at[1] + 18 if other is not None and score < other else at[1] - 9
        yield _text(_score(score), at[0], height, size=SMALL, fill=SOFT, anchor="middle")


def _ends(places: Sequence[Point | None]) -> list[int]:
    known = [i for i, at in enumerate(places) if at]
    return sorted({*known[:1], *known[-1:]})


def _spread(places: Sequence[tuple[float, str]], *, begin: float) -> list[tuple[float, float, str]]:
    """Return (left end, right end, text) of as many labels, evenly thinned, as stand apart; the last one always."""
    spans = []
    for middle, text in places:
        [cut] = _wrapped(text, width=120, lines=1, size=SMALL) or [""]
        wide = _width(cut, SMALL)
        start = min(max(begin, middle - wide / 2), WIDTH - 5 - wide)
        spans.append((start, start + wide, cut))
    for stride in range(1, len(spans) + 1):
        kept = spans[::stride]
        if kept[-1] is not spans[-1]:
            kept = [span for span in kept if span[1] + 8 < spans[-1][0]] + [spans[-1]]
        if all(one[1] + 8 < two[0] for one, two in pairwise(kept)):
            return kept
    return spans[-1:]


# ---- function and exercise


def function_bars(bars: Sequence[FunctionBar], *, labels: FunctionLabels) -> str:
    """Draw up to three activities from 0 (unable) to 10 (as before): earlier hollow, now filled."""
    left, right = 18.0, 232.0
    drawn: list[str] = []
    y = 8.0

    def x(score: float) -> float:
        return left + (right - left) * score / 10

    for bar in bars:
        lines = _wrapped(bar.name, width=WIDTH - 2 * EDGE, lines=2, size=TEXT, most=34)
        drawn += _texts(lines, EDGE, y + 16, size=TEXT, weight="600")
        y += 18 * len(lines) + 22
        drawn.append(_rect(left, y - 6, right - left, 12, PAPER, stroke=LINE, round_=6))
        if bar.now:
            drawn.append(_rect(left, y - 6, x(bar.now) - left, 12, TINT, stroke=BRAND, round_=6))
        drawn += [_line((x(tick), y + 9), (x(tick), y + 13), SOFT, 1) for tick in (0, 5, 10)]
        if bar.first is not None:
            drawn.append(_diamond(x(bar.first), y, 9))
        drawn.append(_dot(x(bar.now), y, 6.5 if bar.first != bar.now else 4.5))
        number = _score(bar.now) if bar.first is None else f"{_score(bar.first)} → {_score(bar.now)}"
        drawn.append(_text(number, right + 18, y + 5.5, size=15, weight="700"))
        y += 22
    high = _wrapped(f"10 {labels.high}", width=160, lines=3, size=SMALL)
    low = _wrapped(f"0 {labels.low}", width=right - _longest(high) / 2 - 12 - EDGE, lines=3, size=SMALL)
    drawn += _texts(low, EDGE, y + 8, size=SMALL, fill=SOFT)
    drawn += _texts(high, right, y + 8, size=SMALL, fill=SOFT, anchor="middle")
    items: list[tuple[_Drawn, str]] = [(lambda a, b: _dot(a + 13, b, 6.5), labels.now)]
    if any(bar.first is not None for bar in bars):
        items.insert(0, (lambda a, b: _diamond(a + 13, b, 9), labels.first))
    legend, height = _legend(items, y + 8 + 17 * (max(len(low), len(high)) - 1) + 14)
    return _picture(height, labels.title, labels.desc, [*drawn, *legend])


def adherence_bar(done: float, prescribed: float, *, labels: AdherenceLabels) -> str:
    """Draw the days a week done of those prescribed (0 to 7), a segment a day; days beyond them stand apart."""
    width, gap, height = 21.0, 3.0, 24.0
    drawn: list[str] = []
    x = float(EDGE)
    for start, end, filled in _days(done, prescribed):
        if start == prescribed > 0:
            drawn.append(_line((x + 2, 6), (x + 2, 18 + height), INK, 1.5))
            x += gap + 4
        wide = width * (end - start)
        drawn.append(_rect(x, 12, wide, height, PAPER, round_=3))
        if filled:
            drawn.append(_rect(x, 12, wide * filled, height, BRAND, round_=3))
        drawn.append(_rect(x, 12, wide, height, "none", stroke=SOFT, round_=3, wide=1.5))
        x += wide + gap
    x += 8 if x > EDGE else 0
    lines = _wrapped(labels.beside, width=WIDTH - EDGE - x, lines=3, size=TEXT)
    middle = 12 + height / 2 + 5 - 9 * (len(lines) - 1)
    drawn += _texts(lines, x, max(16.0, middle), size=TEXT, weight="600")
    return _picture(max(50.0, middle + 18 * len(lines)), labels.title, labels.desc, drawn)


def _days(done: float, prescribed: float) -> Iterator[tuple[float, float, float]]:
    """Yield (start, end, part filled) of each segment; one is shorter than a day where a fraction is prescribed."""
    start = 0.0
    while start < max(done, prescribed):
        limit = prescribed if start < prescribed else math.inf
        end = min(start + 1, limit)
        yield start, end, min(1.0, max(0.0, (done - start) / (end - start)))
        start = end


# ---- body


def body_map(region: str | None, *, side: Side | None, hurts_at: str | None, labels: BodyLabels) -> str:
    """Draw a body from the front and the back: the treated region solid, the one that hurts, where another, hatched.

    A region is a value of the question `body_region`. Without a side, a limb is marked lightly on both sides.
    The patient's left is on the viewer's right in the front view, on the viewer's left in the back view.
    """
    body = _body()
    name = "body-" + sha256(repr((region, side, hurts_at, labels)).encode("utf-8", "replace")).hexdigest()[:8]
    treated, hurts = body["regions"].get(region, {}), body["regions"].get(hurts_at, {})
    marks = [(treated, False)] if treated.get("views") else []
    if hurts.get("views") and hurts_at != region:
        marks.insert(0, (hurts, True))
    marks.sort(key=lambda mark: not mark[0].get("whole", False))

    clip = _outline(body["outline"])
    drawn = [
        _tag(
            "defs",
            _tag("clipPath", _tag("path", d=clip), id=f"{name}-clip"),
            _tag(
                "pattern",
                _tag("rect", width=5, height=5, fill=PAPER),
                _line((0, 2.5), (5, 2.5), INK, 1.6),
                id=f"{name}-hatch",
                width=5,
                height=5,
                patternUnits="userSpaceOnUse",
                patternTransform="rotate(-45)",
            ),
        )
    ]
    for view, middle, heading in (("front", 88.0, labels.front), ("back", 252.0, labels.back)):
        drawn.append(_text(heading, middle, 20, size=TEXT, weight="600", anchor="middle"))
        figure = [_tag("path", d=clip, fill=PAPER)]
        details = [
            _tag("path", d=_open(line), fill="none", stroke=LINE, stroke_width=1.2, stroke_linecap="round")
            for line in _both(body["details"][view])
        ]
        shapes = [
            shape
            for mark, hatched in marks
            for shape in _marks(mark, view, side, f"url(#{name}-hatch)" if hatched else None)
        ]
        figure.append(_tag("g", *details, *shapes, clip_path=f"url(#{name}-clip)"))
        figure.append(_tag("path", d=clip, fill="none", stroke=SOFT, stroke_width=1.6, stroke_linejoin="round"))
        drawn.append(_tag("g", *figure, transform=f"translate({_n(middle)} 30)"))
        ends = (labels.right, labels.left) if view == "front" else (labels.left, labels.right)
        for text, x in zip(ends, (middle - 54, middle + 54), strict=True):
            drawn.append(_text(text, x, 30 + body["height"] - 6, size=SMALL, fill=SOFT, anchor="middle"))
    items: list[tuple[_Drawn, str]] = []
    for mark, hatched in sorted(marks, key=lambda mark: mark[1]):
        items.append(
            (
                _swatch(mark, side, f"url(#{name}-hatch)" if hatched else None),
                labels.hurts if hatched else labels.treated,
            )
        )
    legend, height = _legend(items, 30 + body["height"] + 8)
    return _picture(height, labels.title, labels.desc, [*drawn, *legend])


def figure() -> dict[str, Any]:
    """Return the body of `body_map` as path data for a drawing on which a region can be touched.

    Views front and back, each with its outline, its details and its regions: a limb has a path for either side, the
    patient's own, and other regions have side None. Regions that stand for the whole body are left out. The middle of
    the body is at x = 0; what of a region lies outside the outline is to be clipped.
    """
    body = _body()
    return {
        "width": 2 * (max(x for x, _ in body["outline"]) + EDGE),
        "height": body["height"],
        "views": {
            view: {
                "outline": _outline(body["outline"]),
                "details": [_open(line) for line in _both(body["details"][view])],
                "regions": [
                    {"region": region, "side": side, "d": path}
                    for region, mark in body["regions"].items()
                    if not mark.get("whole")
                    for side, path in _shapes(mark, view)
                ],
            }
            for view in ("front", "back")
        },
    }


def _marks(mark: Any, view: str, side: Side | None, hatch: str | None) -> Iterator[str]:
    look = _look(mark, side, hatch)
    for place, path in _shapes(mark, view):
        if place is None or side in (None, "both", place):
            yield _tag("path", d=path, **look)


def _shapes(mark: Any, view: str) -> Iterator[tuple[Side | None, str]]:
    """Yield a region's paths in one view, each with the side of the patient it is on; None is the middle."""
    sides: tuple[tuple[Side, int], ...] = (("left", 1), ("right", -1))
    for half in mark.get("views", {}).get(view, ()):
        if not mark.get("limb"):
            yield None, _outline(half)
            continue
        for place, sign in sides:
            turned = sign if view == "front" else -sign
            yield place, _closed([(turned * x, y) for x, y in half])


def _look(mark: Any, side: Side | None, hatch: str | None) -> dict[str, Any]:
    """A mark is light where it says less: the whole body, or a limb of which the side is not known."""
    unsure = bool(mark.get("limb")) and side is None
    fill = hatch or (TINT if unsure or mark.get("whole") else BRAND)
    return {
        "fill": fill,
        "stroke": INK if hatch else BRAND,
        "stroke_width": 1.4,
        "stroke_dasharray": "3 2.5" if unsure else None,
    }


def _swatch(mark: Any, side: Side | None, hatch: str | None) -> _Drawn:
    look = _look(mark, side, hatch)
    return lambda x, y: _tag("rect", x=x, y=y - 7, width=26, height=14, rx=3, **look)


@cache
def _body() -> Any:
    """The body's shapes, as points of the half at x >= 0: a limb's are of one side, the rest go on in their mirror."""
    return json.loads((Path(__file__).parent / "body_map.json").read_text(encoding="utf-8"))


def _both(lines: Sequence[Sequence[Point]]) -> Iterator[Sequence[Point]]:
    for line in lines:
        yield line
        if any(x for x, _ in line):
            yield [(-x, y) for x, y in line]


def _outline(half: Sequence[Point]) -> str:
    """A smooth closed path through half a shape and its mirror image."""
    return _closed([*half, *((-x, y) for x, y in reversed(half) if x)])


def _closed(points: Sequence[Point]) -> str:
    """A smooth closed path through `points` (Catmull-Rom as Bezier curves)."""
    return _curve([points[-1], *points, points[0], points[1]]) + "Z"


def _open(points: Sequence[Point]) -> str:
    return _curve([points[0], *points, points[-1]])


def _curve(points: Sequence[Point]) -> str:
    path = [f"M{_n(points[1][0])} {_n(points[1][1])}"]
    for before, start, end, after in zip(points, points[1:], points[2:], points[3:], strict=False):
        one = (start[0] + (end[0] - before[0]) / 6, start[1] + (end[1] - before[1]) / 6)
        two = (end[0] - (after[0] - start[0]) / 6, end[1] - (after[1] - start[1]) / 6)
        path.append("C" + " ".join(f"{_n(x)} {_n(y)}" for x, y in (one, two, end)))
    return "".join(path)


# ---- shapes


def _picture(height: float, title: str, desc: str, drawn: Sequence[str]) -> str:
    name = "picture-" + sha256(repr((title, desc, drawn)).encode("utf-8", "replace")).hexdigest()[:8]
    return _tag(
        "svg",
        _tag("title", _safe(title), id=f"{name}-title"),
        _tag("desc", _safe(desc), id=f"{name}-desc"),
        _tag("rect", width=WIDTH, height=height, fill=PAPER),
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        version="1.1",
        viewBox=f"0 0 {WIDTH} {_n(height)}",
        role="img",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-desc",
        font_family=FONT,
    )


def _legend(items: Sequence[tuple[_Drawn, str]], y: float) -> tuple[list[str], float]:
    """Draw the symbols with their words, as many in a row as fit, from `y` down; return them and where they end."""
    drawn: list[str] = []
    x = float(EDGE)
    last = 0
    for symbol, words in items:
        lines = _wrapped(words, width=WIDTH - 2 * EDGE - 34, lines=3, size=SMALL)
        if x > EDGE and x + 34 + _longest(lines) > WIDTH - EDGE:
            x, y = float(EDGE), y + 6 + 17 * last
            last = 0
        drawn.append(symbol(x, y + 9))
        drawn += _texts(lines, x + 34, y + 13.5, size=SMALL, fill=INK)
        x += 34 + _longest(lines) + 18
        last = max(last, len(lines))
    return drawn, y + 17 * last + 10


def _joined(places: Sequence[Point | None], stroke: str, wide: float, *, dash: str | None = None) -> Iterator[str]:
    """Lines between neighbours that are both known: a gap stays a gap."""
    for one, two in pairwise(places):
        if one and two:
            yield _line(one, two, stroke, wide, dash=dash)


def _keyed(x: float, y: float, stroke: str, wide: float, dash: str | None, marker: str) -> str:
    return _line((x, y), (x + 26, y), stroke, wide, dash=dash) + marker


def _band(x: float, y: float, width: float, height: float) -> str:
    return _rect(x, y, width, height, TINT) + _threshold(x, y, width)


def _threshold(x: float, y: float, width: float) -> str:
    return _line((x, y), (x + width, y), BRAND, 1.5, dash="8 3 2 3")


def _recalled(x: float, y: float, radius: float) -> str:
    return _tag("circle", cx=x, cy=y, r=radius + 1, fill=PAPER, stroke=SOFT, stroke_width=1.8, stroke_dasharray="3 2")


def _dot(x: float, y: float, radius: float) -> str:
    return _tag("circle", cx=x, cy=y, r=radius, fill=BRAND, stroke=PAPER, stroke_width=1.2)


def _triangle(x: float, y: float, radius: float) -> str:
    wide = radius + 1
    points = f"{_n(x)},{_n(y - wide)} {_n(x + wide)},{_n(y + radius * 0.8)} {_n(x - wide)},{_n(y + radius * 0.8)}"
    return _tag("polygon", points=points, fill=PAPER, stroke=SOFT, stroke_width=1.6, stroke_linejoin="round")


def _diamond(x: float, y: float, radius: float) -> str:
    points = " ".join(f"{_n(x + a * radius)},{_n(y + b * radius)}" for a, b in ((0, -1), (1, 0), (0, 1), (-1, 0)))
    return _tag("polygon", points=points, fill=PAPER, stroke=INK, stroke_width=1.8, stroke_linejoin="round")


def _rect(
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str,
    *,
    stroke: str | None = None,
    round_: float | None = None,
    wide: float = 1,
) -> str:
    edge = None if stroke is None else wide
    return _tag("rect", x=x, y=y, width=width, height=height, rx=round_, fill=fill, stroke=stroke, stroke_width=edge)


def _line(start: Point, end: Point, stroke: str, wide: float, *, dash: str | None = None) -> str:
    (x1, y1), (x2, y2) = start, end
    return _tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=wide, stroke_dasharray=dash)


# ---- words and tags


def _texts(
    lines: Sequence[str],
    x: float,
    y: float,
    *,
    size: int,
    fill: str = INK,
    weight: str | None = None,
    anchor: str | None = None,
) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield _text(line, x, y + (size + 4) * number, size=size, fill=fill, weight=weight, anchor=anchor)


def _text(
    words: object,
    x: float,
    y: float,
    *,
    size: int,
    fill: str = INK,
    weight: str | None = None,
    anchor: str | None = None,
) -> str:
    return _tag("text", _safe(str(words)), x=x, y=y, font_size=size, fill=fill, font_weight=weight, text_anchor=anchor)


def _wrapped(text: str, *, width: float, lines: int, size: int, most: int | None = None) -> list[str]:
    """Break `text` into lines that fit; what is left over is cut at a word, with an ellipsis."""

    def fits(line: str) -> bool:
        return _width(line, size) <= width and (most is None or len(line) <= most)

    done: list[str] = []
    line = ""
    words = _clean(text).split()
    while words:
        word = words.pop(0)
        longer = f"{line} {word}".lstrip()
        if fits(longer):
            line = longer
        elif line and len(done) + 1 < lines:
            done.append(line)
            line, words = "", [word, *words]
        elif line or not fits(word[:1] + "…") or len(done) + 1 == lines:
            return [*done, _shortened(line or word, fits)]
        else:
            cut = next(i for i in range(len(word) - 1, 0, -1) if fits(word[:i]))
            done.append(word[:cut])
            words.insert(0, word[cut:])
    return [*done, line] if line else done


def _shortened(line: str, fits: Callable[[str], bool]) -> str:
    while " " in line and not fits(line + "…"):
        line = line.rpartition(" ")[0]
    while len(line) > 1 and not fits(line + "…"):
        line = line[:-1]
    return line.rstrip(" ,;:.-") + "…"


def _longest(lines: Sequence[str]) -> float:
    return max((_width(line, SMALL) for line in lines), default=0.0)


def _width(text: str, size: int) -> float:
    """The width of `text`, guessed from a wide font, so that a narrower one fits as well."""
    return size * sum(map(_em, text))


def _em(letter: str) -> float:
    if unicodedata.combining(letter):
        return 0.0
    if letter in "iljI.,:;'|!·’":
        return 0.33
    if letter in 'ftr()[]-/ "':
        return 0.4
    if letter in "mwMW%@—…→" or unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    return 0.7 if letter.isupper() else 0.63


def _score(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _n(value: float) -> str:
    """A length, short: two decimals at most."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _clean(text: str) -> str:
    """Take out what XML cannot hold: control characters and lone surrogates."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def _safe(text: str) -> str:
    return escape(_clean(text))


def _tag(name: str, *inside: str, **attributes: Any) -> str:
    """An element; an underscore in an attribute's name stands for a hyphen, None leaves the attribute out."""
    written = "".join(
        f" {key.replace('_', '-')}={quoteattr(_n(value) if isinstance(value, int | float) else _clean(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(inside)}</{name}>" if inside else f"<{name}{written}/>"
