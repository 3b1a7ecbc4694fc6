"""Text messages: one message for a question, its options numbered, what is long in pieces (SMS, WhatsApp)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from plateau.content import Catalog

from ._asked import (
    Asked,
    Turn,
    asked,
    blocks,
    hints,
    how_to_type,
    is_repeated,
    joined,
    kind_of,
    marked,
    marks,
    options,
    question_text,
)
from ._gsm import parts, plain
from ._limits import LIMITS, NO_LIMIT
from ._said import Place
from ._split import shortened, split, units
from ._tap import written

# Of a long answer in the review, so much reminds the patient which it was.
ANSWER_CHARACTERS = 40

Message = Mapping[str, Any]


def sms(turn: Turn, words: Catalog, place: Place) -> list[Message]:
    """Return a reply as text messages in the GSM alphabet, as far as the patient's own words allow it."""
    return [{"body": body} for body in _bodies("sms", turn, words, place, plain)]


def whatsapp(turn: Turn, words: Catalog, place: Place) -> list[Message]:
    """Return a reply as WhatsApp messages; where the clinic has made a template for it, the question has buttons."""
    question = asked(turn)
    shown = _template(turn, question, words, place) if question else {}
    *before, last = _bodies("whatsapp", turn, words, place, str, alone=bool(shown))
    return [*({"body": body} for body in before), {**shown, "body": last}]


def _bodies(
    channel: str, turn: Turn, words: Catalog, place: Place, clean: Callable[[str], str], alone: bool = False
) -> list[str]:
    """Return the texts of a reply: what is urgent first and whole, then what is said, the question last and whole.

    What is said goes with the question in one message where that does not get long, unless that stands `alone`.
    """
    given, question = blocks(turn), clean(_question(turn, words, place))
    urgent = clean(joined(given.urgent))
    if kind_of(turn) == "emergency":
        # What to do and what to reply belong together, and messages may come in another order.
        urgent, question = joined([urgent, question]), ""
    before = _whole(channel, urgent)
    said = clean(joined([first_words(channel, words, place), *given.said]))
    together = joined([said, question])
    if not alone and _fits(channel, together):
        return [*before, *([together] if together else [])]
    divide = _whole if asked(turn) else _pieces
    return [*before, *_pieces(channel, said), *divide(channel, question)]


def first_words(channel: str, words: Catalog, place: Place) -> str:
    """Return what the first message of a conversation says of the channel, with the private page where there is one."""
    if not place.first:
        return ""
    told = words.tree("channels.first")[channel].format(**place.numbers).strip()
    return f"{told} {words.get('channels.first.web', web=place.web)}" if place.web else told


def _question(turn: Turn, words: Catalog, place: Place) -> str:
    question, kind = asked(turn), kind_of(turn)
    if question:
        tail = " ".join([*how_to_type(question, words), *hints(turn, words)])
        lines = marked(question, words) if question["kind"] in ("choice", "multi") else []
        return "\n".join([question_text(turn, question, words), *lines, *([tail] if tail else [])])
    if kind == "review":
        return by_number(turn, words)
    if kind == "emergency":
        return words.get("channels.reply.emergency")
    if turn["stage"] == "restarting":
        return words.get("channels.reply.restarting")
    if kind == "plan" and (plan := blocks(turn).plan):
        moves = "plan_shares" if "share" in turn["screen"]["commands"] else "plan"
        return "\n\n".join([_in_short(plan, words, place), words.get(f"channels.reply.{moves}", **place.numbers)])
    return blocks(turn).question or ""


def by_number(turn: Turn, words: Catalog) -> str:
    """Return the review with its answers by number; asked again, it is not listed again: that is ten parts or so."""
    listed = [] if is_repeated(turn) else _rows(turn, words)
    return "\n".join([blocks(turn).question or turn["screen"]["title"], *listed, words.get("channels.reply.review")])


def _rows(turn: Turn, words: Catalog) -> list[str]:
    """Return the answers as numbered lines, the patient's own words shortened."""
    more = words.get("channels.more")
    return [
        words.get(
            "channels.reply.option",
            mark=number,
            title=words.get(
                "channels.reply.row", label=row["label"], answer=shortened(row["answer"], ANSWER_CHARACTERS, more)
            ),
        )
        for number, row in enumerate(turn["screen"]["rows"], start=1)
    ]


def items_of(plan: Iterable[Mapping[str, Any]]) -> list[Mapping[str, str]]:
    """Return what the messages of a plan advise."""
    return [item for message in plan for item in message.get("items", ())]


def items_text(plan: Sequence[Mapping[str, Any]], words: Catalog, place: Place) -> str:
    """Return what is advised without its reasons, with the link to the rest; without a link, the plan as it is."""
    items = items_of(plan)
    if not place.plan or not items:
        return joined(message["text"] for message in plan)
    advised = (
        words.get("channels.reply.option", mark=number, title=f"{item['title']}\n{item['text']}")
        for number, item in enumerate(items, start=1)
    )
    link = words.get("channels.plan.link", link=place.plan)
    return joined([*advised, words.get("channels.plan.safety", **place.numbers), link])


def _in_short(plan: Sequence[Mapping[str, Any]], words: Catalog, place: Place) -> str:
    """Return the first thing of the plan and its link; where there is no link, the plan as it is."""
    items = items_of(plan)
    if not place.plan or not items:
        return joined(message["text"] for message in plan)
    others = len(items) - 1
    lines = [words.get("channels.plan.first", title=items[0]["title"])]
    if others:
        lines.append(words.tree("channels.plan.others")["one" if others == 1 else "other"].format(count=others))
    lines.append(words.get("channels.plan.safety", **place.numbers))
    return "\n".join([" ".join(lines), words.get("channels.plan.link", link=place.plan)])


def _fits(channel: str, text: str) -> bool:
    limits = LIMITS[channel]
    return units(text) <= limits.text and parts(text) <= limits.parts


def _pieces(channel: str, text: str) -> list[str]:
    """Return a text that can be divided in pieces that are not long."""
    limits = LIMITS[channel]
    return split(text, limits.text) if limits.parts == NO_LIMIT else split(text, limits.parts, parts)


def _whole(channel: str, text: str) -> list[str]:
    """Return a text that must stay together as one message, if one of the channel can hold it at all."""
    return split(text, LIMITS[channel].text)


def _template(turn: Turn, question: Asked, words: Catalog, place: Place) -> dict[str, Any]:
    """Return the clinic's template for so many options, filled in, if they fit into it; else nothing.

    Its variables: 1 is the question; then for each button its title and id, for each row of a list its item, id and
    description.
    """
    limits = LIMITS["whatsapp"]
    if question["kind"] != "choice":
        return {}
    titles = [option["title"] for option in options(question)]
    # A variable of a template has no line breaks.
    text = " ".join(question_text(turn, question, words).split())
    few = len(titles) <= limits.buttons
    template = place.templates.get(f"{'buttons' if few else 'list'}_{len(titles)}")
    longest = limits.title if few else limits.description
    if not template or units(text) > limits.template_text or max(map(units, titles)) > longest:
        return {}
    shown = enumerate(zip(titles, marks(question), strict=True))
    if few:
        values = [value for at, (title, _) in shown for value in (title, written(turn, "o", at))]
    else:
        values = [
            value for at, (title, mark) in shown for value in _list_row(title, mark, written(turn, "o", at), words)
        ]
    return {"template": template, "variables": {str(at): value for at, value in enumerate([text, *values], start=1)}}


def _list_row(title: str, mark: str, data: str, words: Catalog) -> tuple[str, str, str]:
    """Return a row of a list: below a title too long for it stands the whole, below any other what may be typed."""
    short = shortened(title, LIMITS["whatsapp"].list_title, words.get("channels.more"))
    return short, data, mark if short == title else title
