"""What the staff is told of a turn, and what the patient is told of that."""

from __future__ import annotations

from typing import Any

import pytest

from plateau.content import Clinic, catalog
from plateau.server._news import News, channel_of, letter_key
from plateau.store import Database, Notices, Outbox, Repository

WORDS = catalog()
EVERYTHING = {
    "alerts": ["person", "red_flag", "unread"],
    "email": ["desk@clinic.example"],
    "slack": True,
    "summaries": ["email", "fhir"],
    "answers_within": "within one working day",
}
NUMBERS = {"clinic": "Riverside", "phone": "+1 555 0100", "emergency": "911", "crisis": "988", "advice": "a doctor"}
AGREED = {"consent": "yes", "requested_slot": "sleep"}


def news(**staff: Any) -> News:
    return News(Clinic("Riverside", "+1 555 0100", "us", public_url="https://x.example", staff=staff), WORDS)


def said(*ids: str) -> list[dict[str, Any]]:
    return [{"id": name, "kind": "say", "text": name} for name in ids]


@pytest.mark.parametrize(
    ("texts", "slots", "staff", "expected"),
    [
        ("utter_human", AGREED, EVERYTHING, [("person", 1)]),
        ("safety.emergency utter_x", AGREED, EVERYTHING, [("red_flag", 0)]),
        ("safety.within_days safety.same_day", AGREED, EVERYTHING, [("red_flag", 1)]),
        ("safety.mental_health", AGREED, EVERYTHING, [("red_flag", 0)]),
        ("utter_explain", AGREED, EVERYTHING, [("unread", 2)]),
        ("safety.same_day utter_human", AGREED, EVERYTHING, [("person", 1), ("red_flag", 1)]),
        ("safety.abuse", AGREED, EVERYTHING, []),
        ("safety.mistake", AGREED, EVERYTHING, []),
        ("safety.after_emergency", AGREED, EVERYTHING, []),
        ("utter_not_understood", AGREED, EVERYTHING, []),
        ("utter_human", {}, EVERYTHING, []),
        ("utter_human", {"consent": "no"}, EVERYTHING, []),
        ("utter_human safety.emergency", AGREED, {}, []),
        ("utter_human safety.emergency", AGREED, {"alerts": ["red_flag"], "slack": True}, [("red_flag", 0)]),
        ("utter_human safety.emergency", AGREED, {"alerts": ["red_flag"]}, []),
    ],
)  # fmt: skip
def test_noticed(texts: str, slots: dict[str, Any], staff: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    found = news(**staff).noticed(said(*texts.split()), slots)
    assert [(one.kind, one.urgency) for one in found] == expected


def test_who_asks_for_a_person_is_told_that_somebody_was_told_and_when_they_answer() -> None:
    told = news(**EVERYTHING)
    messages = said("utter_human", "question")
    made = told.told(messages, told.noticed(messages, AGREED), NUMBERS)
    assert [message["id"] for message in made] == ["staff.told.person", "question"]
    assert "Riverside" in made[0]["text"] and "within one working day" in made[0]["text"]


def test_danger_is_said_before_that_the_staff_knows() -> None:
    told = news(**EVERYTHING)
    messages = said("safety.emergency")
    made = told.told(messages, told.noticed(messages, AGREED), NUMBERS)
    assert [message["id"] for message in made] == ["safety.emergency", "staff.told.red_flag"]


def test_where_nobody_is_told_nothing_is_promised() -> None:
    told = news()
    messages = said("utter_human")
    assert told.told(messages, told.noticed(messages, AGREED), NUMBERS) == messages


@pytest.mark.parametrize(
    ("conversation", "channel"),
    [("sms-abc", "sms"), ("telegram-a-b", "telegram"), ("web-abc", None), ("abc", None), ("fax-abc", None)],
)
def test_channel_of(conversation: str, channel: str | None) -> None:
    assert channel_of(conversation) == channel


def test_the_key_of_a_letter_tells_nothing_and_keeps_its_parts_apart() -> None:
    assert letter_key("a", "bc") != letter_key("ab", "c")
    assert len(letter_key("x" * 500)) == 64


@pytest.fixture
def begun(database: Database) -> Database:
    with database.transaction() as session:
        for name in ("sms-1", "web-1"):
            Repository(session).begin(name)
    return database


def written(database: Database, conversation: str, texts: str, number: int = 1, **staff: Any) -> list[tuple[str, str]]:
    """Write what follows from a reply with these texts; return kind and target of all letters."""
    told = news(**staff)
    reply = {"id": f"m{number}", "number": number, "messages": said(*texts.split())}
    with database.transaction() as session:
        told.write(session, conversation, reply, told.noticed(said(*texts.split()), AGREED))
    with database.reading() as session:
        return sorted((letter.kind, letter.target) for letter in Outbox(session).listing(50))


def test_a_reply_goes_to_its_messenger_and_on_the_web_nowhere(begun: Database) -> None:
    assert written(begun, "web-1", "utter_x") == []
    assert written(begun, "sms-1", "utter_x") == [("reply", "sms")]
    assert written(begun, "sms-1", "utter_x") == [("reply", "sms")], "written again, it is the same letter"


def test_an_alert_goes_each_way_that_the_clinic_wants(begun: Database) -> None:
    assert written(begun, "web-1", "utter_human", **EVERYTHING) == [("alert", "staff_email"), ("alert", "staff_slack")]


def test_who_has_not_looked_yet_is_not_told_again(begun: Database) -> None:
    once = written(begun, "web-1", "utter_human", 1, **EVERYTHING)
    assert written(begun, "web-1", "utter_human", 2, **EVERYTHING) == once
    with begun.transaction() as session:
        notices = Notices(session)
        assert len(notices.listing(10)) == 2
        for one in notices.listing(10):
            notices.open(one.id)
    assert len(written(begun, "web-1", "utter_human", 3, **EVERYTHING)) == 2 * len(once)


def test_what_is_worse_now_is_told_though_nobody_has_looked(begun: Database) -> None:
    once = written(begun, "web-1", "safety.within_days", 1, **EVERYTHING)
    again = written(begun, "web-1", "safety.within_days", 2, **EVERYTHING)
    worse = written(begun, "web-1", "safety.emergency", 3, **EVERYTHING)
    still = written(begun, "web-1", "safety.emergency", 4, **EVERYTHING)
    assert [len(one) for one in (once, again, worse, still)] == [2, 2, 4, 6]
