"""The therapist's one-page summary in SBAR order: what was told, measured and found, and what was advised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plateau.content import Catalog, dated
from plateau.escalation import clinic_rules
from plateau.protocol import NO_ANSWER, spoken, taken_back

from ._drawn import Picture, pictures
from ._measures import Measure, measures, percent
from ._visit import DAYS_A_WEEK, STOPPING, Place, Visit, chosen, given, shortened

# Answers that must not stand on a page that others may read (clinical dossier 4.3).
PRIVATE = ("mental_health_crisis", "abuse", "overdose")
MOST_WORDS = 350


@dataclass(frozen=True, slots=True)
class _Limits:
    """How much is told: words of a quote and of an activity, rules, questions, and whether denied flags are named.

    `items` is how many answers to a question that takes several, `history` how many conditions, medicines and kinds of
    treatment; the others are counted.
    """

    quote: int
    activity: int
    rules: int
    questions: int
    denied: bool
    measures: int
    items: int
    history: int


# From roomy to tight: the first with which the page has at most MOST_WORDS words is taken.
LIMITS = (
    _Limits(quote=14, activity=6, rules=8, questions=3, denied=True, measures=6, items=20, history=20),
    _Limits(quote=10, activity=4, rules=6, questions=3, denied=True, measures=6, items=20, history=20),
    _Limits(quote=7, activity=3, rules=5, questions=2, denied=False, measures=6, items=20, history=20),
    _Limits(quote=5, activity=2, rules=4, questions=1, denied=False, measures=6, items=6, history=20),
    _Limits(quote=5, activity=2, rules=4, questions=0, denied=False, measures=6, items=3, history=10),
    _Limits(quote=3, activity=1, rules=3, questions=0, denied=False, measures=3, items=3, history=8),
    _Limits(quote=3, activity=1, rules=3, questions=0, denied=False, measures=2, items=2, history=5),
    _Limits(quote=3, activity=1, rules=2, questions=0, denied=False, measures=2, items=1, history=3),
)
HISTORY = ("conditions", "medicines", "tried")
# A time's unit, from how many weeks it is used, and its weeks.
SPANS = (("years", 104, 52.18), ("months", 27, 4.345), ("weeks", 0, 1))
SHORT_WEEKS = 4
# Answers that are good news, and not worth a clinician's line.
GOOD = {"sleep": "good", "nutrition": "good", "stress": "low", "smoking": "no", "mood": "good", "confidence": "high"}
PICTURES = ("pain", "body")


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the summary: its heading, and lines of a label and what it says."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The page: who reports, the four SBAR parts, the measures as rows of a table, and the pictures beside them."""

    title: str
    header: str
    rules: str
    sections: tuple[Section, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    pictures: tuple[Picture, ...]


def summary(visits: Sequence[Visit], place: Place, words: Catalog) -> Summary:
    """Return the summary of the latest of `visits`, which stand oldest first and are all one patient's."""
    drawn = tuple(picture for picture in pictures(visits, words) if picture.id in PICTURES)
    for limits in LIMITS:
        page = _summary(visits, drawn, place, words, limits)
        if word_count(page) <= MOST_WORDS:
            break
    return page


def word_count(page: Summary) -> int:
    """Return how many words stand on the page, the table's cells with them."""
    return sum(len(line.replace(" | ", " ").split()) for line in summary_text(page))


def _summary(
    visits: Sequence[Visit], drawn: tuple[Picture, ...], place: Place, words: Catalog, limits: _Limits
) -> Summary:
    visit = visits[-1]
    told = _Told(visit, visits[-2] if len(visits) > 1 else None, words, limits)
    table = words.tree("summary.table")
    parts = {
        "situation": told.situation(),
        "background": told.background(),
        "assessment": told.assessment(),
        "recommendation": told.recommendation(),
    }
    by_other = "_other" if given(visit.record, "for_whom") == "other" else ""
    rows = _measured(visits)[: limits.measures]
    return Summary(
        title=words.get("summary.title"),
        header=words.get(f"summary.header{by_other}", clinic=place.clinic, day=dated(words, visit.day)),
        rules=words.get(
            "summary.rules",
            version=visit.rules_version or clinic_rules().version,
            signed=_signed(place, words),
            unanswered=sum(value in NO_ANSWER for value in visit.record.values() if isinstance(value, str)),
        ),
        sections=tuple(
            Section(
                words.get(f"summary.sections.{name}"),
                tuple((words.get(f"summary.labels.{label}"), text) for label, text in lines if text),
            )
            for name, lines in parts.items()
        ),
        columns=tuple(table[name] for name in ("measure", "before", "now", "change", "mid", "met")),
        rows=tuple(_row(measure, limits, words) for measure in rows),
        pictures=drawn,
    )


def _measured(visits: Sequence[Visit]) -> list[Measure]:
    """Return the measures of the table; the mean of one activity is that activity."""
    found = measures(visits, clinic_rules().gates)
    single = sum(measure.name == "activity" for measure in found) == 1
    return [measure for measure in found if not (single and measure.name == "psfs")]


def summary_text(page: Summary) -> Iterator[str]:
    """Yield the summary's lines as plain text."""
    yield from (page.title, page.header, page.rules)
    for section in page.sections:
        yield ""
        yield section.title
        yield from (f"{label}: {text}" for label, text in section.lines)
    yield ""
    yield from (" | ".join(row) for row in ((page.columns, *page.rows) if page.rows else ()))


def _signed(place: Place, words: Catalog) -> str:
    if place.signed_by is None:
        return words.get("summary.unsigned")
    return words.get("summary.signed", clinician=place.signed_by, day=place.signed_on)


def _row(measure: Measure, limits: _Limits, words: Catalog) -> tuple[str, ...]:
    table = words.tree("summary.table")
    activity = shortened(measure.activity, limits.activity)
    name = words.get("summary.table.activity", activity=activity) if activity else table[measure.name]
    before, change = table["unknown"], table["unknown"]
    if measure.before is not None:
        before = _number(measure.before)
        before = words.get("summary.table.recalled", value=before) if measure.recalled else before
        moved = measure.now - measure.before
        change = f"{moved:+.1f}".removesuffix(".0") if moved else "0"
    met = table["unknown"] if measure.met is None else table[_real(measure)]
    return name, before, _number(measure.now), change, _number(measure.mid), met


def _real(measure: Measure) -> str:
    """Return whether a change is a real one, and in which direction."""
    if not measure.met:
        return "no"
    return "better" if (measure.change or 0) > 0 else "worse"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


Lines = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Told:
    """What one visit's record says, in a clinician's terms."""

    visit: Visit
    earlier: Visit | None
    words: Catalog
    limits: _Limits

    @property
    def record(self) -> Mapping[str, Any]:
        return self.visit.record

    def situation(self) -> Lines:
        assessment = self.visit.assessment
        return [
            ("status", self.words.get(f"report.trend.{assessment['trend']}")),
            ("urgency", self.words.get(f"summary.tiers.{assessment['tier']}")),
            ("flags", self._flags()),
            ("denied", self._denied()),
            ("last", self._last()),
        ]

    def background(self) -> Lines:
        return [
            ("patient", self._patient()),
            ("place", self._place()),
            ("onset", self._onset()),
            ("therapy", self._therapy()),
            ("told", self._diagnosis()),
            ("tried", self._several("tried")),
            ("health", self._several("conditions")),
            ("medicines", self._several("medicines")),
        ]

    def assessment(self) -> Lines:
        findings = [finding["rule"] for finding in self.visit.assessment["findings"]][: self.limits.rules]
        return [
            ("adherence", self._adherence()),
            ("response", self._response()),
            ("pain", self._pain()),
            ("mechanical", self._several("mechanical")),
            ("lifestyle", self._lifestyle()),
            ("words", self._quotes()),
            ("rules", ", ".join(findings)),
        ]

    def recommendation(self) -> Lines:
        assessment, title = self.visit.assessment, "plan.recommendations.{}.title"
        advised = [self.words.get(title.format(item["id"])) for item in assessment["recommendations"]]
        later = [self.words.get(title.format(item["id"])) for item in assessment["held_back"][: self.limits.rules]]
        goal = given(self.record, "goal")
        return [
            ("advised", "; ".join(advised)),
            ("later", "; ".join(later)),
            ("goal", self.words.get("summary.quote", words=shortened(goal, self.limits.quote)) if goal else ""),
            ("questions", " ".join(assessment["questions_for_therapist"][: self.limits.questions])),
            ("review", self._review()),
        ]

    def _flags(self) -> str:
        flags = [flag for flag in self.record.get("red_flags") or () if flag["state"] != "denied" or taken_back(flag)]
        shown = [flag for flag in flags if flag["id"] not in PRIVATE]
        names, states = self.words.tree("summary.flags"), self.words.tree("summary.flag_states")
        grouped: dict[str, list[str]] = {state: [] for state in states}
        for flag in shown:
            grouped["mistake" if taken_back(flag) else flag["state"]].append(names[flag["id"]])
        said = [
            self.words.get("summary.flag", state=states[state], flags=", ".join(dict.fromkeys(flags)))
            for state, flags in grouped.items()
            if flags
        ]
        if len(shown) < len(flags):
            said.append(self.words.get("summary.private"))
        asked = "none_reported" if "red_flags" in self.record else "not_asked"
        return "; ".join(said) or self.words.get(f"summary.{asked}")

    def _review(self) -> str:
        if self.visit.assessment["primary"] in STOPPING:
            return self.words.get("summary.review_seen")
        return self.words.get("summary.review", day=dated(self.words, self.visit.check_again))

    def _patient(self) -> str:
        parts = [self._choice("age_band")]
        if given(self.record, "pregnancy") == "yes":
            parts.append(self.words.get("summary.pregnant"))
        return "; ".join(part for part in parts if part)

    def _span(self, weeks: float) -> str:
        """Return a time as it is said: weeks, and from half a year on months, from two years on years."""
        unit, size = next(((unit, size) for unit, least, size in SPANS if weeks >= least), SPANS[-1][::2])
        count = f"{weeks / size:.1f}".removesuffix(".0") if weeks < SHORT_WEEKS else f"{weeks / size:.0f}"
        return self.words.get(f"summary.spans.{unit}.{'one' if count == '1' else 'other'}", count=count)

    def _denied(self) -> str:
        names = self.words.tree("summary.flags")
        flags = [flag for flag in self.record.get("red_flags") or () if flag["state"] == "denied"]
        denied = [names[flag["id"]] for flag in flags if not taken_back(flag) and flag["id"] not in PRIVATE]
        if denied and not self.limits.denied:
            return self.words.get("summary.denied_count", count=len(denied))
        return ", ".join(denied)

    def _last(self) -> str:
        if self.earlier is None:
            return ""
        followed = [
            self.words.get(f"plan.recommendations.{name}.title")
            for name in list(self.visit.followed or ())[: self.limits.rules]
            if self.words.has(f"plan.recommendations.{name}")
        ]
        weeks = round((self.visit.day - self.earlier.day).days / DAYS_A_WEEK)
        none = self.words.get("summary.not_asked" if self.visit.followed is None else "summary.tiers.none")
        return self.words.get("summary.since", weeks=weeks, followed="; ".join(followed) or none)

    def _place(self) -> str:
        region, hurts, side = (
            given(self.record, "body_region"),
            given(self.record, "hurts_at"),
            given(self.record, "side"),
        )
        if region is None:
            return ""
        titles = self.words.tree("questions.body_region.options")
        if hurts not in (None, region):
            place = self.words.get("summary.hurts_at", region=titles[region], hurts=titles[hurts])
        else:
            place = titles[region]
        return f"{place}, {self._choice('side')}" if side else place

    def _onset(self) -> str:
        weeks, surgery = given(self.record, "weeks_with_problem"), given(self.record, "recent_surgery_weeks")
        onset = self._choice("onset")
        parts = []
        if onset:
            parts.append(onset)
        if weeks is not None:
            parts.append(self.words.get("summary.ago", span=self._span(weeks)))
        if surgery is not None:
            parts.append(self.words.get("summary.surgery", span=self._span(surgery)))
        if given(self.record, "joint_replacement") == "yes":
            parts.append(self.words.get("summary.replacement"))
        return "; ".join(parts)

    def _therapy(self) -> str:
        weeks, sessions = given(self.record, "weeks_in_pt"), given(self.record, "sessions")
        parts = []
        if weeks is not None:
            parts.append(self._span(weeks))
        if sessions is not None:
            parts.append(self.words.get(f"summary.visits.{'one' if sessions == 1 else 'other'}", count=sessions))
        return ", ".join([*parts, *([kinds] if (kinds := self._several("treatment_type")) else [])])

    def _diagnosis(self) -> str:
        told, fit = given(self.record, "diagnosis_given"), given(self.record, "diagnosis_fit")
        parts = []
        if told:
            own = told if told != "not_told" else None
            shown = self.words.get("summary.quote", words=shortened(own, self.limits.quote)) if own else ""
            parts.append(shown or self.words.get("summary.not_told"))
        if fit:
            parts.append(self.words.get(f"summary.fit.{fit}"))
        return "; ".join(parts)

    def _adherence(self) -> str:
        share, barriers = percent(self.record), chosen(self.record, "hep_barriers")
        parts = []
        if share is not None:
            done, prescribed = self.record["hep_days_done"], self.record["hep_days_prescribed"]
            said = {"done": f"{done:g}", "prescribed": f"{prescribed:g}", "percent": f"{share:.0f}"}
            more = "over" if done > prescribed else "adherence"
            parts.append(self.words.get(f"summary.{more}", **said))
        if barriers:
            parts.append(self._several("hep_barriers"))
        return "; ".join(parts)

    def _response(self) -> str:
        weeks = given(self.record, "unchanged_weeks")
        parts = [self._several("session_response"), self._choice("effort")]
        if weeks is not None:
            parts.append(self.words.get("summary.unchanged", weeks=f"{weeks:.0f}"))
        return "; ".join(part for part in parts if part)

    def _pain(self) -> str:
        parts = [self._several("pain_quality")]
        for name in ("pain_spread", "night_pain"):
            if given(self.record, name) == "yes":
                parts.append(self._choice(name))
        return "; ".join(part for part in parts if part)

    def _lifestyle(self) -> str:
        found = [name for name, good in GOOD.items() if given(self.record, name) not in (None, good)]
        return ", ".join(self._choice(name) for name in found)

    def _quotes(self) -> str:
        said = []
        for name in ("better", "worse"):
            if text := given(self.record, name):
                said.append(self.words.get(f"summary.{name}", words=shortened(text, self.limits.quote)))
        return "; ".join(said)

    def _choice(self, name: str) -> str:
        value = given(self.record, name)
        return "" if value is None else self._term(name, value)

    def _several(self, name: str) -> str:
        values = chosen(self.record, name)
        most = self.limits.history if name in HISTORY else self.limits.items
        shown = ", ".join(self._term(name, value) for value in values[:most])
        more = len(values) - most
        return self.words.get("summary.more", items=shown, count=more) if more > 0 else shown

    def _term(self, name: str, value: str) -> str:
        """Return an answer in a clinician's words, where there are such, else as the patient sees it."""
        path = f"summary.answers.{name}.{value}"
        return self.words.get(path) if self.words.has(path) else spoken(name, value, self.words)
