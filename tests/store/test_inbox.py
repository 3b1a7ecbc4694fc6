"""Messages wait in the inbox from before the dialogue sees them until their reply is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from plateau.store import Database, Inbox, Repository, StoreError

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
EVENTS = [{"event": "action", "timestamp": 1.0, "name": "action_listen"}]


@pytest.fixture(autouse=True)
def two_conversations(database: Database) -> None:
    with database.transaction() as session:
        for name in ("c1", "c2"):
            Repository(session).append(name, None, EVENTS)


def waiting(database: Database, conversation: str = "c1") -> list[tuple[str, object, int]]:
    with database.reading() as session:
        return [(row.client_message_id, row.message, row.attempts) for row in Inbox(session).waiting(conversation)]


def test_messages_wait_in_the_order_they_came(database: Database) -> None:
    for message in ("m2", "m1", "m3"):
        with database.transaction() as session:
            Inbox(session).receive("c1", message, {"text": message})
    assert waiting(database) == [(name, {"text": name}, 1) for name in ("m2", "m1", "m3")]
    assert waiting(database, "c2") == []


def test_a_message_received_again_keeps_its_place_and_words_and_counts_an_attempt(database: Database) -> None:
    for message, words in (("m1", "first"), ("m2", "second"), ("m1", "changed")):
        with database.transaction() as session:
            Inbox(session).receive("c1", message, {"text": words})
    assert waiting(database) == [("m1", {"text": "first"}, 2), ("m2", {"text": "second"}, 1)]


def test_two_conversations_may_use_the_same_message_id(database: Database) -> None:
    with database.transaction() as session:
        Inbox(session).receive("c1", "m1", {"text": "one"})
        Inbox(session).receive("c2", "m1", {"text": "two"})
    assert waiting(database, "c2") == [("m1", {"text": "two"}, 1)]


def test_the_reply_ends_the_wait_in_its_own_transaction(database: Database) -> None:
    with database.transaction() as session:
        Inbox(session).receive("c1", "m1", {"text": "one"})
    with pytest.raises(KeyError), database.transaction() as session:
        Repository(session).remember_reply("c1", "m1", {"number": 1})
        raise KeyError
    assert len(waiting(database)) == 1
    with database.transaction() as session:
        Repository(session).remember_reply("c1", "m1", {"number": 1})
    assert waiting(database) == []


def test_a_message_of_an_unknown_conversation_is_refused(database: Database) -> None:
    with pytest.raises(StoreError), database.transaction() as session:
        Inbox(session).receive("nobody", "m1", {"text": "one"})


def test_a_dropped_message_waits_no_longer(database: Database) -> None:
    with database.transaction() as session:
        Inbox(session).receive("c1", "m1", {"text": "one"})
        Inbox(session).receive("c1", "m2", {"text": "two"})
        Inbox(session).drop("c1", "m1")
    assert [row[0] for row in waiting(database)] == ["m2"]


def test_an_erased_conversation_leaves_no_message(database: Database) -> None:
    with database.transaction() as session:
        Inbox(session).receive("c1", "m1", {"text": "one"})
        assert Repository(session).forget("c1")["inbox"] == 1
    assert waiting(database) == []


@pytest.mark.parametrize(
    ("minutes", "limit", "found"),
    [(0, 10, []), (2, 10, ["c2"]), (10, 10, ["c2", "c1"]), (10, 1, ["c2"])],
)
def test_conversations_that_wait_are_found_longest_wait_first(
    database: Database, minutes: int, limit: int, found: list[str]
) -> None:
    for conversation, message, received in (("c2", "m1", 1), ("c1", "m1", 3), ("c2", "m2", 5)):
        with database.transaction() as session:
            Inbox(session, lambda at=received: NOW + timedelta(minutes=at)).receive(conversation, message, {})
    with database.reading() as session:
        assert Inbox(session).conversations(NOW + timedelta(minutes=minutes), limit) == found
