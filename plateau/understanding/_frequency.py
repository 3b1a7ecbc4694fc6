"""Reads how many days a week: done and prescribed home exercise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ._lexicon import phrase_groups
from ._text import corrected

DONE, PRESCRIBED = DAYS = ("hep_days_done", "hep_days_prescribed")
Doubts = list[tuple[str, str]]

_N = r"(?<![\w.])\d{1,3}(?:\.\d+)?"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKEND = {"saturday", "sunday"}
_NAME = re.compile(rf"\b({'|'.join(_WEEKDAYS)})s?\b")
_DAY_LIST = re.compile(rf"\b((?:{'|'.join(_WEEKDAYS)})s?), ")
_NAME_RANGE = re.compile(rf"\b({'|'.join(_WEEKDAYS)})s? ?(?:to|-|through|thru|till|until) ?({'|'.join(_WEEKDAYS)})s?\b")
_AS_I_SHOULD = re.compile(
    r" (?:as|(?:of )?what) (?:(?:i|we) (?:should|ought to|am supposed to|was told|am told)|im told|told|asked|"
    r"instructed|prescribed|directed|advised)\b"
)
_AT_LEAST = re.compile(r"\bno(?:t)? (?:less|fewer|more) th[ae]n\b")
# What was done once is not what is done: "used to be daily, now maybe once a week".
_PAST = re.compile(
    r"\b(?:used to|(?:the )?first (?:month|week|few|couple)|was (?:\d|doing|on|at|very|really|good)|at first|"
    r"at the start|to begin with|initially|started (?:off|out|with|on|at)"
    r"|last (?:month|year|summer|winter|spring)|until|till|before|back in|originally|in the beginning|when i started)\b"
)
_LONG_OVER = re.compile(r"\bused to\b(?! it)")
# What is only wanted, and what one week was like: another number counts before these.
_WANTED = re.compile(
    r"\b(?:trying|try|aim|aiming|aimed|hoping|hope|want|goal|target|would like|meaning|planning) (?:to|for|is)\b"
)
_ONE_WEEK = re.compile(r"\b(?:last|this|the other|1) week\b")
# "I walk the dog every day instead": of something else.
_INSTEAD = re.compile(r"\binstead\b(?! of)")
_USUALLY = ("usually", "mostly", "generally", "regularly", "most")
_OUT_OF = re.compile(
    rf"(?P<done>{_N})(?: ?(?:-|to|or|maybe) ?(?P<high>{_N}))?(?P<unit> days?| times?)?(?: (?:a|"
    rf"per) week)? ?(?:/|out of|instead of|of)(?: "
    r"(?P<the>the|my|those)| every| a)? ?(?P<of>[1-7])\b(?! ?(?:exercises|weeks|months))(?P<ratio> days)?"
)
_PER_DAY = re.compile(
    r"(?:\d+ ?x?|once|twice|thrice|three times|several times|a few times|couple of times) ?(?:times? "
    r"?)?(?:(?:a|per|each|every|/) ?(?:single )?day\b|daily)|\b\d+ (?:minutes|hours?) (?:(?:a|per|each|"
    r"every) day|daily)"
    r"|\b(?:morning|am)s? (?:and|n) (?:night|evening|afternoon|pm)s?\b"
)
_COUNT = re.compile(
    rf"(?P<low>{_N})(?: ?(?:-|to|or|maybe|or maybe|/|,) ?(?P<high>{_N}))?(?: ?ish)?(?: ?x(?! ?week))?(?P<unit> "
    r"?(?:full |whole |good |solid )?(?:days?|times?|nights|mornings|evenings|goes|sessions))?(?P<week> "
    r"?(?:a|per|each|every|in a|in the|/|of the|out of the|this|last|x) ?week\b| weekly)?"
)
_NOT_DAYS = re.compile(
    r" ?(?:weeks?|months?|years?|minutes?|hours?|reps?|sets?|exercises|different|kids?|seconds?|am\b|pm\b|"
    r"oclock|of them|stretches|jobs|people|children|mins?|year)"
)
_NOT_A_COUNT_BEFORE = re.compile(r"(?:every|last|past|for|number|the other|(?<!good )(?<!bad )week) $")
_LESS_THAN = re.compile(r"\b(?:less th[ae]n|under|not even|fewer th[ae]n|below|not quite|just short of) (?:an? )?$")
_MORE_THAN = re.compile(r"\b(?:more th[ae]n|over|above|at least|just over) (?:an? )?$")
_A_MONTH = re.compile(
    rf"(?P<low>{_N})(?: ?(?:-|to|or) ?(?P<high>{_N}))?(?: ?x)?(?P<unit> (?:days?|times?|sessions))?"
    r" (?P<recent>last |this )?(?:a|per|each|every|in a|in the|in the last|in|out of the|of the|"
    r"of every|of each|out of every|out of a|the)? ?(?:whole )?month\b"
)
_CYCLE = re.compile(
    r"\b(?:(?P<on>\d|an?) )?(?P<unit>days?|nights?|weeks?)? ?on(?:,? (?:then |and )?)"
    r"(?:(?P<off>\d|an?) )?(?:days?|nights?|weeks?)? ?off\b"
)
_ON_OFF = re.compile(r"\bon, (?=(?:\d|an?) (?:days? |weeks? )?off\b)")
_SKIP_A_DAY = re.compile(
    r"\b(?:skip|miss) (?:a|1) day,? (?:and |then )?(?:do|on)\b|\bdo (?:a|1) day,? (?:and |then )?(?:skip|miss)\b"
)
_SHARES = {"half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "fifth": 1 / 5}
_SHARE = re.compile(
    r"(?:\b(?P<n>\d|a) )?\b(?P<part>half|third|quarter|fifth)s?\b(?: (?:of )?(?:the |my |those |these |a )?"
    r"(?P<whole>(?P<of>\d)(?: days?)?|time|days|week|them|it|sessions))?"
)
_PERCENT = re.compile(r"(?P<n>\d{1,3})(?: ?(?:-|to|or) ?(?P<high>\d{1,3}))? ?(?:%|percent)")
_SHORT_OF = re.compile(
    r"\b(?P<n>\d) (?:short of|less than|fewer than|shy of|below|more than|above|over) the (?P<of>\d)\b"
)
_MISS = re.compile(
    r"\b(?:miss(?:ed|es|ing)?|skip(?:ped|s|ping)?|forgot|forget|drop(?:ped)?) (?:only |about |maybe |just "
    rf"|like |out on |at most |the |odd )*(?P<n>{_N}|a|the odd|a couple of|a couple|a few|once|twice)(?: "
    rf"?(?:-|to|or) ?(?P<high>{_N}))?(?: days?| times?| now| session|\b)"
)
_MISSED = {"a": 1.0, "the odd": 1.0, "a couple": 2.0, "a couple of": 2.0, "a few": 3.0, "once": 1.0, "twice": 2.0}
_EXCEPT = re.compile(
    r"\b(?:except|bar|apart from|but not|other than|minus|not on|not|excluding|besides|off on|rest on|"
    r"skip|aside from|save for|all but|every day but)\b(?: for| on| the| my| at)*(?P<what>[^.;]*)"
)
_EVERY_N = re.compile(
    r"\bevery (?:(?P<n>\d)(?:rd|th|nd)?|second|third|fourth|fifth|other) ?"
    r"(?:(?:or|to) (?:so|(?P<to>\d)(?:rd|th)?|(?P<to_word>third|fourth|fifth)) ?)?days?\b"
)
_NTH = {"third": 3.0, "fourth": 4.0, "fifth": 5.0}
_SPLIT = re.compile(
    r"[,;.!?] | (?=(?:but|though|although|yet|however)\b)|(?<!^) (?=(?:i (?:do|did|manage|get|only|"
    r"probably|usually|actually|mostly|can|reckon|managed|average|end up|think i)|actually|realistically|"
    r"in reality|truthfully|honestly|more like|really its|reality|now|these days|nowadays|lately|and \d is what)\b)"
)


@dataclass(frozen=True, slots=True)
class Often:
    """Days a week said in one stretch; `of` is the prescribed number where "3 out of 5" gives it.

    `weak`: how often a day, or only a vague word; a plainer number said elsewhere counts more. `share`: a part of
    what is prescribed, or of the week.
    """

    days: float
    of: float | None = None
    doubt: str | None = None
    weak: bool = False
    share: bool = False


def read_days(plain: str, question: str) -> tuple[dict[str, float | int], Doubts]:
    """Return days a week done and prescribed in `plain` when `question` (one of DAYS) was asked."""
    if phrase_groups("_frequency").find_group("no_programme", plain):
        return {PRESCRIBED: 0}, []
    plain = _AT_LEAST.sub("at least", corrected(plain))
    answers: dict[str, float | int] = {}
    doubts: Doubts = []
    said = list(_by_role(plain, question))
    for role in DAYS:
        best = _best([(often_said, rank) for about, often_said, rank in said if about == role])
        if best is None:
            continue
        if best.of is not None:
            answers.setdefault(DONE, _tidy(best.days))
            answers.setdefault(PRESCRIBED, _tidy(best.of))
        else:
            answers[role] = _tidy(best.days)
        if best.doubt and role == question:
            doubts.append((role, best.doubt))
    done = _best([(often_said, rank) for about, often_said, rank in said if about == DONE])
    if done is not None and done.share and PRESCRIBED in answers:
        answers[DONE] = _tidy(done.days / 7 * answers[PRESCRIBED])
    whole = often(plain, question)
    if set(answers) <= {question} and whole is not None and whole.of is None and _EXCEPT.search(plain):
        # "every day, but not on sundays": the exception belongs to what another stretch says.
        answers = {question: _tidy(whole.days)}
    return answers, doubts


def volunteered_days(plain: str) -> dict[str, float | int]:
    """Return days a week that a message gives unasked: it must name the exercises and how often."""
    groups = phrase_groups("_frequency")
    answers: dict[str, float | int] = {}
    for stretch in re.split(r"[,;.!?] | (?=but )| and (?=(?:its|my|the|i)\b)", plain):
        if not groups.find_group("exercises", stretch) or groups.find_group("not_volunteered", stretch):
            continue
        role = PRESCRIBED if groups.find_group("prescribed", stretch) else DONE
        said = often(stretch, role, firm=True)
        if said is not None and said.doubt is None:
            answers.setdefault(role, _tidy(said.days))
            if said.of is not None:
                answers.setdefault(PRESCRIBED, _tidy(said.of))
    return answers


def often(stretch: str, role: str = DONE, firm: bool = False) -> Often | None:
    """Return how often one stretch of text says, or None; `firm` leaves out bare numbers and vague words."""
    if _INSTEAD.search(stretch):
        return None
    for reading in _READINGS:
        found = reading(stretch, role, firm)
        if found is not None:
            return found
    return None


def _rank(stretch: str) -> int:
    """Return 0 for what is so now, 1 for what one week was like, 2 for what was once so or is only wanted."""
    return 2 if _PAST.search(stretch) or _WANTED.search(stretch) else 1 if _ONE_WEEK.search(stretch) else 0


def _by_role(plain: str, question: str) -> Iterator[tuple[str, Often, int]]:
    """Yield what each stretch says: the question it is about, how often, and its rank."""
    groups = phrase_groups("_frequency")
    role, told = question, set[str]()
    if groups.find_group("prescribed", plain):
        # "told six, I get through three of them": of the days, not of the exercises.
        plain = plain.replace(" of them", "")
    for stretch in _SPLIT.split(_ON_OFF.sub("on ", _DAY_LIST.sub(r"\1 ", plain))):
        stripped = _AS_I_SHOULD.sub("", stretch)
        if groups.find_group("prescribed", stripped):
            role = PRESCRIBED
        elif groups.find_group("done", stripped) or (role != question and question == DONE and role in told):
            role = DONE
        said = often(stretch, role)
        if said is not None:
            told.add(role)
            yield role, said, _rank(stretch)


def _best(said: list[tuple[Often, int]]) -> Often | None:
    """Return the reading that counts: of now before of then, a plain number before a vague one, then the first."""
    ranked = sorted(said, key=lambda entry: (entry[1], entry[0].weak))
    return ranked[0][0] if ranked else None


def _by_total(stretch: str, role: str, firm: bool) -> Often | None:
    m = _OUT_OF.search(stretch)
    if not m or float(m["done"]) > float(m["of"]):
        return None
    days = (float(m["done"]) + float(m["high"] or m["done"])) / 2
    if m["ratio"] and m["of"] in "23" and not m["the"]:
        # "2 out of 3 days": nobody is told to do 3 days and asked about them in this way.
        return Often(7 * days / float(m["of"]))
    # "5 days out of 7": seven days make a week, nobody prescribed them.
    of = None if m["of"] == "7" and (role == PRESCRIBED or m["unit"]) else float(m["of"])
    return Often(days, of, "range" if m["high"] else None)


def _by_cycle(stretch: str, role: str, firm: bool) -> Often | None:
    """Read "two days on one off"."""
    if _SKIP_A_DAY.search(stretch):
        return Often(3.5)
    m = _CYCLE.search(stretch)
    if not m or not (m["on"] or m["unit"]):
        return None
    on, off = (1.0 if n in (None, "a", "an") else float(n) for n in (m["on"], m["off"]))
    return Often(7 * on / (on + off)) if on + off else None


def _by_share(stretch: str, role: str, firm: bool) -> Often | None:
    """Read "two thirds of the time", "half of the six she gave me", "60%", "one short of the five"."""
    percent = None if firm else _PERCENT.search(stretch)
    if percent:
        share = (float(percent["n"]) + float(percent["high"] or percent["n"])) / 2
        return Often(float(round(7 * share / 100)), doubt="worked_out") if share <= 100 else None
    short = _SHORT_OF.search(stretch)
    if short:
        of, n = float(short["of"]), float(short["n"])
        return Often(of + n if re.search("more|above|over", short[0]) else of - n, of)
    m = _SHARE.search(stretch)
    if not m or (m["whole"] is None and m["part"] not in ("half", "third")) or (m["whole"] is None and firm):
        return None
    share = _SHARES[m["part"]] * (float(m["n"]) if m["n"] not in (None, "a") else 1)
    if m["whole"] is None and (
        m["part"] == "third" or re.match(r" (?:an? |day|hour|hearted|do\b|did\b)", stretch[m.end() :])
    ):
        return None
    if m["of"]:
        return Often(share * float(m["of"]), float(m["of"]))
    less, more = _LESS_THAN.search(stretch[: m.start()]), _MORE_THAN.search(stretch[: m.start()])
    return Often(7 * share - bool(less) + bool(more), weak=True, share=True) if share <= 1 else None


def _by_month(stretch: str, role: str, firm: bool) -> Often | None:
    m = _A_MONTH.search(stretch)
    if not m or (m["recent"] and not m["unit"]):
        return None
    times = (float(m["low"]) + float(m["high"] or m["low"])) / 2
    return Often(times * 12 / 52, doubt="worked_out", weak=True) if times <= 31 else None


def _by_exception(stretch: str, role: str, firm: bool) -> Often | None:
    missed = _MISS.search(stretch)
    if missed and not re.search(r"\b(?:never|not|dont|didnt|havent|hasnt)\b", stretch[: missed.start()]):
        low = _MISSED[missed["n"]] if missed["n"] in _MISSED else float(missed["n"])
        high = float(missed["high"]) if missed["high"] else low
        return Often(7 - (low + high) / 2) if high <= 7 else None
    exempt = _EXCEPT.search(stretch)
    if not exempt:
        return None
    days = set(_NAME.findall(exempt["what"])) | (_WEEKEND if re.search(r"\bweekends?\b", exempt["what"]) else set())
    if days:
        return Often(7.0 - len(days))
    count = re.search(r"^ ?(?:about |maybe |for )?(?P<n>[1-6]|a|a couple of|one) (?:days?|nights?)\b", exempt["what"])
    if count:
        return Often(7 - {"a": 1.0, "one": 1.0, "a couple of": 2.0}.get(count["n"], 0.0) - _digit(count["n"]))
    if re.search(r"\b(?:weekdays?|work ?days?|work)\b", exempt["what"]) and "every" in stretch:
        return Often(2.0)
    return None


def _digit(said: str) -> float:
    return float(said) if said.isdigit() else 0.0


def _by_name(stretch: str, role: str, firm: bool) -> Often | None:
    spread = _NAME_RANGE.search(stretch)
    if spread:
        first, last = _WEEKDAYS.index(spread[1]), _WEEKDAYS.index(spread[2])
        return Often(float((last - first) % 7 + 1))
    names = set(_NAME.findall(stretch))
    if names and re.search(r"\bsat\b", stretch):
        names.add("saturday")
    if not names:
        return None
    more = re.search(r"\b(?:plus|and) (?P<n>[1-3]) (?:of the weekend|other|more|extra)", stretch)
    weekend = re.search(r"\bweekends?\b", stretch) and not names & _WEEKEND
    return Often(min(7.0, len(names) + (float(more["n"]) if more else 2 if weekend else 0)))


def _by_count(stretch: str, role: str, firm: bool) -> Often | None:
    daily = _PER_DAY.search(stretch)
    found = phrase_groups("_frequency").only("days_").find(stretch)
    # "usually 4": the word says how firm the number is, not how often.
    words = [m for m in found if stretch[m.start : m.end] not in _USUALLY]
    for m in _COUNT.finditer(stretch):
        if (daily and m.start() < daily.end() and daily.start() < m.end()) or _not_days(stretch, m, firm, bool(words)):
            continue
        low = float(m["low"])
        high = max(low, float(m["high"] or low))
        if high > 7:
            if m["week"] and m["unit"] and "day" not in m["unit"]:
                return Often(7.0, doubt="over_7")
            continue
        if _LESS_THAN.search(stretch[: m.start()]):
            low = high = max(0.0, low - 1)
        return Often((low + high) / 2, doubt="range" if high != low else None)
    if daily and not re.search(r"\b(?:days a week|weekdays|weekends|most days|every other)\b", stretch):
        return Often(7.0, weak=True)
    return None


def _not_days(stretch: str, m: re.Match[str], firm: bool, words: bool) -> bool:
    """Tell whether a number counts something else than days a week."""
    bare = m["unit"] is None and m["week"] is None
    if _NOT_DAYS.match(stretch, m.end()) or (bare and (firm or words)):
        return True
    if firm and m["week"] is None and (m["unit"] or "").strip() in ("times", "time", "sessions", "goes"):
        return True
    return m["week"] is None and bool(_NOT_A_COUNT_BEFORE.search(stretch[: m.start()]))


def _by_every_n(stretch: str, role: str, firm: bool) -> Often | None:
    hours = re.search(r"\bevery (?P<n>\d\d) hours\b", stretch)
    if hours and float(hours["n"]) >= 24:
        return Often(7 * 24 / float(hours["n"]))
    m = _EVERY_N.search(stretch)
    if not m:
        return None
    gap = float(m["n"]) if m["n"] else next((n for word, n in _NTH.items() if f"every {word}" in m[0]), 2.0)
    if m["to"] or m["to_word"]:
        gap = (gap + (float(m["to"]) if m["to"] else _NTH[m["to_word"]])) / 2
    return Often(2.0 if gap == 3 else 7 / max(gap, 1))


def _by_words(stretch: str, role: str, firm: bool) -> Often | None:
    groups = phrase_groups("_frequency")
    found = groups.only("days_").find(stretch)
    if found:
        if firm is False and _LONG_OVER.search(stretch):
            return None
        return Often(float(found[0].value.removeprefix("days_").replace("_", ".")))
    # "as often as I can" prescribes no number.
    vague = [] if firm or role == PRESCRIBED else groups.only("vague_").find(stretch)
    if not vague:
        return None
    return Often(float(vague[0].value.removeprefix("vague_").replace("_", ".")), doubt="vague", weak=True)


_READINGS: tuple[Callable[[str, str, bool], Often | None], ...] = (
    _by_total, _by_cycle, _by_share, _by_month, _by_exception, _by_name, _by_count, _by_every_n, _by_words,
)  # fmt: skip


def _tidy(value: float) -> float | int:
    rounded = round(min(7.0, max(0.0, value)), 1)
    return int(rounded) if rounded == int(rounded) else rounded
