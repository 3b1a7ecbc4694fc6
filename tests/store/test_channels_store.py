"""Addresses, messages taken once, letters that wait to be sent, notices for the staff: on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plateau.store import Contacts, Database, Notices, Outbox, Repository, StoreError

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)
EVENTS = [{"event": "action", "timestamp": 1.0, "name": "action_listen"}]


@pytest.fixture(autouse=True)
def two_conversations(database: Database) -> None:
    with database.transaction() as session:
        for name in ("sms-1", "sms-2"):
            Repository(session).append(name, None, EVENTS)


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def put(database: Database, *letters: tuple[str, str, str], now: datetime = NOW) -> None:
    with database.transaction() as session:
        for key, conversation, target in letters:
            Outbox(session, at(now)).put(key, conversation, "reply", target, {"message": key})


def claimed(database: Database, now: datetime, until: datetime = LATER, **narrower: Any) -> list[str]:
    with database.transaction() as session:
        return [letter.key for letter in Outbox(session, at(now)).claim(until, 10, **narrower)]


def ids(database: Database) -> dict[str, int]:
    with database.reading() as session:
        return {letter.key: letter.id for letter in Outbox(session).listing(10)}


def state(database: Database, key: str) -> tuple[str, int, str | None]:
    with database.reading() as session:
        return next((one.state, one.attempts, one.problem) for one in Outbox(session).listing(10) if one.key == key)


def test_an_address_is_found_by_its_digest_and_by_its_conversation(database: Database) -> None:
    with database.transaction() as session:
        Contacts(session).add("d1", "sms", "sms-1", "+15550001")
    with database.reading() as session:
        found, of = Contacts(session).find("d1"), Contacts(session).of("sms-1")
        assert found == of and found is not None
        assert (found.address, found.channel, found.last_order, found.stopped) == ("+15550001", "sms", None, False)
        assert Contacts(session).find("d2") is None


def test_an_address_stands_in_no_column_as_it_is(database: Database) -> None:
    with database.transaction() as session:
        Contacts(session).add("d1", "sms", "sms-1", "+15550001")
    with database.reading() as session:
        (row,) = session.execute("SELECT * FROM contacts").all()
    assert all(b"15550001" not in (value if isinstance(value, bytes) else str(value).encode()) for value in row)


def test_stop_start_and_the_order_are_kept(database: Database) -> None:
    with database.transaction() as session:
        contacts = Contacts(session)
        contacts.add("d1", "sms", "sms-1", "+15550001")
        contacts.moved("d1", 2**40)
        contacts.stop("d1")
    with database.transaction() as session:
        row = Contacts(session).find("d1")
        assert row is not None and row.stopped and row.last_order == 2**40
        Contacts(session).start("d1")
    with database.reading() as session:
        row = Contacts(session).find("d1")
        assert row is not None and not row.stopped


def test_an_address_needs_a_stored_conversation(database: Database) -> None:
    with pytest.raises(StoreError), database.transaction() as session:
        Contacts(session).add("d1", "sms", "sms-9", "+15550001")


def test_a_message_is_taken_once_until_it_is_forgotten(database: Database) -> None:
    with database.transaction() as session:
        assert [Contacts(session).take_once(name, NOW) for name in ("m1", "m1", "m2")] == [True, False, True]
    with database.transaction() as session:
        assert Repository(session, at(LATER)).purge_expired() == 2
    with database.transaction() as session:
        assert Contacts(session).take_once("m1", LATER)


def test_a_letter_is_put_once_and_claimed_by_one(database: Database) -> None:
    put(database, ("k1", "sms-1", "sms"), ("k1", "sms-1", "sms"))
    assert claimed(database, NOW) == ["k1"]
    assert claimed(database, NOW) == []
    assert claimed(database, LATER + timedelta(seconds=1)) == ["k1"], "whoever had it has died"


def test_letters_of_one_place_go_in_order_and_do_not_hold_up_others(database: Database) -> None:
    put(database, ("a1", "sms-1", "sms"), ("a2", "sms-1", "sms"), ("b1", "sms-2", "sms"), ("a3", "sms-1", "email"))
    assert claimed(database, NOW) == ["a1", "b1", "a3"]
    with database.transaction() as session:
        Outbox(session, at(NOW)).failed(ids(database)["a1"], "Unreachable", LATER)
    assert claimed(database, NOW) == [], "a1 is not due, and a2 waits for it"
    assert claimed(database, LATER, LATER + timedelta(minutes=1)) == ["a1"]
    with database.transaction() as session:
        Outbox(session, at(LATER)).sent(ids(database)["a1"])
    assert claimed(database, LATER) == ["a2"]


def test_a_claim_can_be_for_one_conversation(database: Database) -> None:
    put(database, ("a1", "sms-1", "sms"), ("b1", "sms-2", "sms"))
    assert claimed(database, NOW, conversation_id="sms-2") == ["b1"]


def test_a_letter_that_is_given_up_can_be_tried_again(database: Database) -> None:
    put(database, ("a1", "sms-1", "sms"))
    with database.transaction() as session:
        Outbox(session).failed(ids(database)["a1"], "Refused", None)
    assert state(database, "a1") == ("given_up", 1, "Refused")
    assert claimed(database, LATER) == []
    with database.transaction() as session:
        assert [one.key for one in Outbox(session).listing(9, ["given_up"])] == ["a1"]
        assert Outbox(session, at(NOW)).again(ids(database)["a1"])
        assert not Outbox(session, at(NOW)).again(ids(database)["a1"])
    assert claimed(database, NOW) == ["a1"]


def test_what_is_urgent_and_unopened_stands_first(database: Database) -> None:
    with database.transaction() as session:
        for number, (key, urgency) in enumerate((("summary", 3), ("red", 0), ("late", 0), ("person", 2))):
            notices = Notices(session, at(NOW + timedelta(minutes=number)))
            assert notices.add(key, "sms-1", key, urgency, {"why": key})
            assert not notices.add(key, "sms-1", key, urgency, {})
        first = Notices(session).listing(10)
        assert [one.kind for one in first] == ["late", "red", "person", "summary"]
        Notices(session, at(LATER)).open(first[0].id)
        Notices(session, at(LATER + timedelta(days=1))).open(first[0].id)
    with database.reading() as session:
        after = Notices(session).listing(10)
        assert [one.kind for one in after] == ["red", "person", "summary", "late"]
        assert after[-1].opened_at == LATER and after[-1].content == {"why": "late"}
        assert Notices(session).unopened("sms-1", "red", 0) and not Notices(session).unopened("sms-1", "late", 0)


def test_the_conversation_says_whether_a_person_writes(database: Database) -> None:
    def with_staff() -> list[bool]:
        with database.reading() as session:
            return [bool(here and here.with_staff) for here in map(Repository(session).position, ("sms-1", "sms-2"))]

    with database.transaction() as session:
        Repository(session).hand_over("sms-1", True)
    assert with_staff() == [True, False]
    with database.transaction() as session:
        Repository(session).hand_over("sms-1", False)
    assert with_staff() == [False, False]


def test_everything_goes_with_its_conversation_and_is_exported_before(database: Database) -> None:
    with database.transaction() as session:
        Contacts(session).add("d1", "sms", "sms-1", "+15550001")
        Outbox(session).put("k1", "sms-1", "reply", "sms", {"message": "m1"})
        Notices(session).add("n1", "sms-1", "person", 2, {"why": "asked"})
    with database.reading() as session:
        held = Repository(session).export("sms-1")
    assert held["contacts"][0]["address"] == "+15550001"
    assert held["outbox"][0]["content"] == {"message": "m1"}
    assert held["notices"][0]["content"] == {"why": "asked"}
    with database.transaction() as session:
        gone = Repository(session).forget("sms-1")
    assert [gone[name] for name in ("contacts", "outbox", "notices")] == [1, 1, 1]
    with database.reading() as session:
        assert Contacts(session).find("d1") is None and Outbox(session).listing(10) == []
