"""What the repository keeps: exactly what it was last given, once, and nothing after it was told to forget."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import String as AsText
from sqlalchemy import cast, event, func, insert, inspect, literal, select, text, update
from sqlalchemy.orm import Session

from plateau.store import (
    LINK_KINDS,
    Conflict,
    Contacts,
    Database,
    Inbox,
    LinkRow,
    Notices,
    Outbox,
    Repository,
    StoreError,
)
from plateau.store._models import (
    Answer,
    Audit,
    Code,
    Contact,
    Conversation,
    Erasure,
    Event,
    Finding,
    Letter,
    Link,
    Notice,
    Patient,
    Plan,
    Reevaluation,
    Seen,
    Turn,
    Waiting,
    metadata,
)
from plateau.store._vault import Work

ANSWERS = {
    "body_region": "knee",
    "pain_now": 7,
    "hep_barriers": ["time", "pain"],
    "activities": [{"activity": "stairs", "score": 3}],
}
ASSESSMENT = {
    "tier": "routine",
    "primary": "reduce_load",
    "findings": [
        {"rule": "too_aggressive", "because": ["worse for over a day"], "source": "source 1"},
        {"rule": "unclear_diagnosis", "because": ["never told"], "source": "source 2"},
    ],
    "recommendations": [{"id": "reduce_load", "text": "Ease off a little.", "because": ["worse for over a day"]}],
    "questions_for_therapist": [],
    "held_back": [],
}
EVENTS = [
    {"event": "action", "timestamp": 1.0, "name": "action_session_start"},
    {"event": "session_started", "timestamp": 2.0},
    {"event": "user", "timestamp": 3.0, "text": "hello"},
]
DAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
# After any test's present.
LATER = datetime(2999, 1, 1, tzinfo=UTC)


def _statements(session: Session, work: Callable[[], Any]) -> list[tuple[str, Any]]:
    """Return the statements that `work` runs, each with its parameters."""
    ran: list[tuple[str, Any]] = []

    def running(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        ran.append((statement, parameters))

    engine = session.get_bind().engine
    event.listen(engine, "before_cursor_execute", running)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", running)
    return ran


# What is there however little is known of patients.
ALWAYS = {"installation", "audit"}


def _count(database: Database) -> dict[str, int]:
    """How many rows each table has, where it has any, but for those of ALWAYS."""
    with database.reading() as session:
        return {
            name: count
            for name, table in metadata.tables.items()
            if name not in ALWAYS and (count := session.execute(select(func.count()).select_from(table)).scalar_one())
        }


@pytest.mark.parametrize(
    ("calls", "answers", "assessment", "rows"),
    [
        ([({}, None)], {}, None, {"conversations": 1, "reevaluations": 1}),
        ([(ANSWERS, None)], ANSWERS, None, {"conversations": 1, "reevaluations": 1, "answers": 4}),
        ([(ANSWERS, None)] * 3, ANSWERS, None, {"conversations": 1, "reevaluations": 1, "answers": 4}),
        (
            [({"side": "left"}, None), ({"side": "both"}, None)],
            {"side": "both"},
            None,
            {"conversations": 1, "reevaluations": 1, "answers": 1},
        ),
        (
            [(ANSWERS, None), ({"pain_now": 7}, None)],
            {"pain_now": 7},
            None,
            {"conversations": 1, "reevaluations": 1, "answers": 1},
        ),
        ([({"side": "left"}, None), ({"side": None}, None)], {}, None, {"conversations": 1, "reevaluations": 1}),
        (
            [(ANSWERS, ASSESSMENT)] * 2,
            ANSWERS,
            ASSESSMENT,
            {"conversations": 1, "reevaluations": 1, "answers": 4, "findings": 2, "plans": 1},
        ),
        (
            [(ANSWERS, ASSESSMENT), (ANSWERS, None)],
            ANSWERS,
            ASSESSMENT,
            {"conversations": 1, "reevaluations": 1, "answers": 4, "findings": 2, "plans": 1},
        ),
        (
            [(ANSWERS, ASSESSMENT), ({"pain_now": 2}, None)],
            {"pain_now": 2},
            None,
            {"conversations": 1, "reevaluations": 1, "answers": 1},
        ),
        (
            [(ANSWERS, ASSESSMENT), (ANSWERS, {"tier": "none", "findings": []})],
            ANSWERS,
            {"tier": "none", "findings": []},
            {"conversations": 1, "reevaluations": 1, "answers": 4, "plans": 1},
        ),
    ],
    ids=[
        "empty",
        "answers",
        "repeated",
        "changed",
        "fewer",
        "none deletes",
        "plan repeated",
        "plan stays",
        "plan of other answers goes",
        "plan changed",
    ],
)
def test_save_mirrors_the_record(
    database: Database, calls: list[tuple[Any, Any]], answers: Any, assessment: Any, rows: dict[str, int]
) -> None:
    for given_answers, given_assessment in calls:
        with database.transaction() as session:
            Repository(session).save_reevaluation(
                "c1", given_answers, given_assessment, rules_version="1" if given_assessment else None
            )
    with database.reading() as session:
        stored = Repository(session).reevaluation("c1")
    assert stored is not None
    assert (stored.answers, stored.assessment, stored.finished_at is not None) == (
        answers,
        assessment,
        assessment is not None,
    )
    assert stored.rules_version == ("1" if assessment else None)
    assert _count(database) == rows


VALUES = st.none() | st.integers(0, 10) | st.text() | st.lists(st.text(), max_size=3)
RECORDS = st.dictionaries(st.sampled_from(["side", "goal", "tried", "pain_now"]), VALUES)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(RECORDS, st.booleans()), min_size=1, max_size=4))
def test_any_sequence_of_saves_leaves_the_last(database: Database, calls: list[tuple[dict[str, Any], bool]]) -> None:
    plan, before = None, {}
    with database.transaction() as session:
        repository = Repository(session)
        repository.forget("c1")
        for record, planned in calls:
            repository.save_reevaluation("c1", record, ASSESSMENT if planned else None)
            answers = {name: value for name, value in record.items() if value is not None}
            plan, before = (ASSESSMENT if planned else plan if answers == before else None), answers
        stored = repository.reevaluation("c1")
    assert stored is not None and (stored.answers, stored.assessment) == (before, plan)


KEEPS_PLAN = True
GOES = False


@pytest.mark.parametrize(
    ("answers", "words", "said", "plan"),
    [
        ({"goal": "stairs", "side": "left"}, None, {"goal": "up the stairs"}, KEEPS_PLAN),
        ({"goal": "stairs", "side": "left"}, {}, {"goal": "up the stairs"}, KEEPS_PLAN),
        ({"goal": "stairs", "side": "left"}, {"goal": "up the stairs"}, {"goal": "up the stairs"}, KEEPS_PLAN),
        ({"goal": "stairs", "side": "left"}, {"goal": "the stairs"}, {"goal": "the stairs"}, KEEPS_PLAN),
        ({"goal": "stairs", "side": "left"}, {"side": "l."}, {"goal": "up the stairs", "side": "l."}, KEEPS_PLAN),
        ({"goal": "run", "side": "left"}, {"goal": "to run"}, {"goal": "to run"}, GOES),
        ({"goal": "run", "side": "left"}, None, {}, GOES),
        ({"goal": "stairs", "side": "both"}, None, {"goal": "up the stairs"}, GOES),
        ({"side": "left"}, None, {}, GOES),
        ({"goal": None, "side": "left"}, {"goal": "never mind"}, {}, GOES),
        ({"goal": "stairs", "side": "left"}, {"tried": "ice"}, {"goal": "up the stairs"}, KEEPS_PLAN),
        ({"goal": "stairs", "side": "left"}, {"goal": "\0\ud800"}, {"goal": "\0\ud800"}, KEEPS_PLAN),
    ],
    ids=[
        "nothing new",
        "no words",
        "the same words",
        "other words",
        "words for another answer",
        "answer and words",
        "answer without words",
        "another answer",
        "answer dropped",
        "answer none",
        "words without an answer",
        "words of any kind",
    ],
)
def test_words_stay_with_their_answer(database: Database, answers: Any, words: Any, said: Any, plan: bool) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        repository.save_reevaluation(
            "c1", {"goal": "stairs", "side": "left"}, ASSESSMENT, patient_id="p1", said={"goal": "up the stairs"}
        )
        repository.save_reevaluation("c1", answers, said=words)
        stored = repository.reevaluation("c1")
        history = repository.history("p1")
    assert stored is not None
    assert stored.said == said
    assert stored.answers == {name: value for name, value in answers.items() if value is not None}
    assert (stored.assessment is not None) == plan
    assert [row.said for row in history] == ([said] if plan else [])


def test_answer_without_words_has_none_in_the_database(database: Database) -> None:
    with database.transaction() as session:
        Repository(session).save_reevaluation("c1", {"goal": "stairs", "side": "left"}, said={"goal": "up"})
        found = {row["question"]: row["said"] for row in Repository(session).export("c1")["answers"]}
    assert found == {"goal": "up", "side": None}


@pytest.mark.parametrize(
    ("again", "statements"),
    [
        ({}, ["SELECT"]),
        ({"said": {"goal": "up"}}, ["SELECT"]),
        ({"said": {"goal": "up", "pain_now": "7"}}, ["SELECT", "INSERT"]),
    ],
    ids=["nothing", "the same words", "new words"],
)
def test_save_again_writes_only_what_is_new(database: Database, again: Any, statements: list[str]) -> None:
    answers = {"goal": "stairs", "pain_now": 7}
    with database.transaction() as session:
        Repository(session).save_reevaluation("c1", answers, said={"goal": "up"})
        ran = _statements(session, lambda: Repository(session).save_reevaluation("c1", answers, **again))
    assert [statement.split()[0] for statement, _ in ran] == statements


def test_each_run_is_a_record_of_its_own(database: Database) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        repository.save_reevaluation("c1", {"pain_now": 7}, run=1)
        repository.save_reevaluation("c1", {"pain_now": 3}, run=2)
        found = {run: repository.reevaluation("c1", run) for run in (None, 1, 2, 3)}
    assert {run: row and row.answers for run, row in found.items()} == {
        None: {"pain_now": 3},
        1: {"pain_now": 7},
        2: {"pain_now": 3},
        3: None,
    }


def test_latest_is_the_patients_last_finished(database: Database) -> None:
    with database.transaction() as session:
        for day, conversation, assessment in [
            (0, "c1", ASSESSMENT),
            (2, "c2", ASSESSMENT),
            (1, "c3", ASSESSMENT),
            (3, "c4", None),
        ]:
            at = DAY + timedelta(days=day)
            Repository(session, now=lambda at=at: at).save_reevaluation(
                conversation, ANSWERS, assessment, patient_id="p1"
            )
        Repository(session).save_reevaluation("c5", ANSWERS, ASSESSMENT, patient_id="p2")
        repository = Repository(session)
        latest = repository.latest("p1")
        assert latest is not None and latest.conversation_id == "c2"
        assert latest.finished_at == DAY + timedelta(days=2) and latest.finished_at.tzinfo is UTC
        assert [row.conversation_id for row in repository.history("p1")] == ["c2", "c3", "c1"]
        assert repository.latest("nobody") is None


def test_patient_of(database: Database) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        repository.save_consent("c1", "given")
        repository.link_patient("c2", "p2")
        assert [repository.patient_of(id) for id in ("c1", "c2", "nobody")] == [None, "p2", None]


def test_patient_that_is_known_later_owns_what_came_before(database: Database) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        repository.save_reevaluation("c1", ANSWERS, ASSESSMENT)
        repository.link_patient("c1", "guess")
        repository.link_patient("c1", "p1")
        repository.save_reevaluation("c1", ANSWERS, ASSESSMENT)
        latest = repository.latest("p1")
    assert latest is not None and latest.patient_id == "p1"
    assert _count(database)["patients"] == 1


@pytest.mark.parametrize(
    ("saved", "hours", "valid"),
    [
        ([("p1", "d1", 2)], 0, {"d1": "p1"}),
        ([("p1", "d1", 2)], 1.99, {"d1": "p1"}),
        ([("p1", "d1", 2)], 2, {}),
        ([("p1", "d1", 2), ("p1", "d2", 1)], 0, {"d2": "p1"}),
        ([("p1", "d1", 2), ("p1", "d2", 1)], 1, {}),
        ([("p1", "d1", 1), ("p1", "d1", 2)], 1, {"d1": "p1"}),
        ([("p1", "d1", 2), ("p2", "d2", 2)], 0, {"d1": "p1", "d2": "p2"}),
        ([("p1", "d1", 2), ("p1", "d2", 2), ("p2", "d1", 2)], 0, {"d1": "p2", "d2": "p1"}),
    ],
    ids=["one", "to the end", "expired", "replaced", "replaced, expired", "again", "two patients", "free again"],
)
def test_code_brings_its_patient_back(database: Database, saved: Any, hours: float, valid: dict[str, str]) -> None:
    with database.transaction() as session:
        repository = Repository(session, now=lambda: DAY)
        for patient, digest, until in saved:
            repository.link_patient(f"of {patient}", patient)
            repository.save_code(patient, digest, DAY + timedelta(hours=until))
        later = Repository(session, now=lambda: DAY + timedelta(hours=hours))
        found = {digest: later.patient_by_code(digest) for digest in ("d1", "d2", "nobody's")}
    assert {digest: patient for digest, patient in found.items() if patient} == valid


@pytest.mark.parametrize(
    ("patient", "digest"), [("nobody", "d2"), ("p2", "d1")], ids=["unknown patient", "another's code"]
)
def test_code_that_is_refused_changes_nothing(database: Database, patient: str, digest: str) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        repository.link_patient("c2", "p2")
        repository.link_patient("c1", "p1")
        repository.save_code("p1", "d1", LATER)
    with pytest.raises(StoreError, match="IntegrityError"), database.transaction() as session:
        Repository(session).save_code(patient, digest, LATER)
    with database.reading() as session:
        assert Repository(session).patient_by_code("d1") == "p1"
    assert _count(database)["codes"] == 1


@pytest.mark.parametrize(
    ("untils", "hours", "opens"),
    [([2], 0, 2), ([2], 1.99, 2), ([2], 2, None), ([1, 2], 1, 2), ([2, 1], 1, None)],
    ids=["one", "to the end", "expired", "longer", "shorter"],
)
@pytest.mark.parametrize("kind", LINK_KINDS)
def test_link_opens_its_run(database: Database, kind: str, untils: list[int], hours: float, opens: int | None) -> None:
    with database.transaction() as session:
        repository = Repository(session, now=lambda: DAY)
        repository.save_consent("c1", "given")
        for until in untils:
            repository.save_link("c1", 3, kind, "d1", DAY + timedelta(hours=until))
        later = Repository(session, now=lambda: DAY + timedelta(hours=hours))
        assert later.link("d1") == (opens and LinkRow("c1", 3, kind, DAY + timedelta(hours=opens)))
        assert later.link("nobody's") is None
    assert _count(database)["links"] == 1


@pytest.mark.parametrize(
    ("link", "error", "told"),
    [
        (("nobody", 1, "plan", "d2"), StoreError, "IntegrityError"),
        (("c2", 1, "plan", "d1"), StoreError, "that of another"),
        (("c1", 2, "plan", "d1"), StoreError, "that of another"),
        (("c1", 1, "summary", "d1"), StoreError, "that of another"),
        (("c1", 1, "diary", "d2"), ValueError, "allowed: plan, summary"),
    ],
    ids=["unknown conversation", "another's", "another run's", "another kind's", "no kind"],
)
def test_link_that_is_refused_changes_nothing(
    database: Database, link: tuple[str, int, str, str], error: type[Exception], told: str
) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        repository.save_consent("c1", "given")
        repository.save_consent("c2", "given")
        repository.save_link("c1", 1, "plan", "d1", LATER)
    with pytest.raises(error, match=told), database.transaction() as session:
        Repository(session).save_link(*link, LATER)
    with database.reading() as session:
        assert Repository(session).link("d1") == LinkRow("c1", 1, "plan", LATER)
    assert _count(database)["links"] == 1


def test_events_come_back_in_order(database: Database) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        first = repository.append("c1", None, EVENTS)
        second = repository.append("c1", first, EVENTS[2:])
        assert (first.version, first.session_seq, second.version, second.session_seq) == (3, 1, 4, 1)
        assert repository.position("c1") == second
        assert repository.events("c1", 0, 4) == [*EVENTS, EVENTS[2]]
        assert repository.events("c1", 1, 3) == EVENTS[1:]
        assert repository.conversation_ids() == ["c1"]
        assert repository.position("c2") is None


@pytest.mark.parametrize("seen", ["new", "before", "erased and written again"])
def test_append_from_a_stale_position_writes_nothing(database: Database, seen: str) -> None:
    with database.transaction() as session:
        first = Repository(session).append("c1", None, EVENTS)
    if seen == "before":
        with database.transaction() as session:
            Repository(session).append("c1", first, EVENTS)
    if seen == "erased and written again":
        with database.transaction() as session:
            Repository(session).forget("c1")
            Repository(session).append("c1", None, EVENTS)
    before = _count(database)
    with pytest.raises(Conflict), database.transaction() as session:
        Repository(session).append("c1", None if seen == "new" else first, EVENTS)
    assert _count(database) == before


def test_append_to_a_forgotten_conversation_is_a_conflict(database: Database) -> None:
    with database.transaction() as session:
        seen = Repository(session).append("c1", None, EVENTS)
    with database.transaction() as session:
        Repository(session).forget("c1")
    with pytest.raises(Conflict), database.transaction() as session:
        Repository(session).append("c1", seen, EVENTS)
    assert _count(database) == {}


@pytest.mark.parametrize("known", [False, True], ids=["new conversation", "known conversation"])
def test_of_simultaneous_saves_exactly_one_wins(database: Database, known: bool) -> None:
    seen = None
    if known:
        with database.transaction() as session:
            seen = Repository(session).append("c1", None, EVENTS)
    together = threading.Barrier(6)

    def save(number: int) -> bool:
        together.wait()
        try:
            with database.transaction() as session:
                Repository(session).append("c1", seen, [{"event": "user", "timestamp": 4.0, "text": str(number)}])
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        won = list(threads.map(save, range(6)))
    assert won.count(True) == 1
    with database.reading() as session:
        assert Repository(session).events("c1", 0, 99)[-1]["text"] == str(won.index(True))
        assert Repository(session).position("c1").version == (4 if known else 1)
    assert _count(database)["events"] == (2 if known else 1)


def test_first_reply_stays(database: Database) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        assert repository.reply("c1", "m1") is None
        repository.remember_reply("c1", "m1", {"messages": [{"text": "one"}]})
        repository.remember_reply("c1", "m1", {"messages": []})
        repository.remember_reply("c1", "m2", {"messages": []})
        assert repository.reply("c1", "m1") == {"messages": [{"text": "one"}]}
        assert repository.reply("c2", "m1") is None
        assert repository.last_reply("c2") is None
    assert _count(database) == {"conversations": 1, "turns": 2}


def test_what_a_message_meets_is_read_at_once(database: Database) -> None:
    with database.transaction() as session:
        repository, inbox = Repository(session), Inbox(session)
        assert repository.standing("c1", "m1") is None
        seen = None
        for number in (1, 2):
            seen = repository.append("c1", seen, EVENTS)
            repository.remember_reply("c1", f"m{number}", {"number": number})
        inbox.receive("c1", "m3", {"text": "three"})
        found = {name: repository.standing("c1", name) for name in ("m1", "m2", "m3", "m4")}
        ran = _statements(session, lambda: repository.standing("c1", "m4"))
    assert len(ran) == 1
    assert {one.position for one in found.values() if one} == {seen}
    assert {name: one and (one.reply, one.last, one.waits) for name, one in found.items()} == {
        "m1": ({"number": 1}, {"number": 2}, True),
        "m2": ({"number": 2}, {"number": 2}, True),
        "m3": (None, {"number": 2}, False),
        "m4": (None, {"number": 2}, True),
    }


def test_a_turn_asks_postgresql_as_little_as_it_can(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no server to go to and back")
    with database.transaction() as session:
        repository = Repository(session)
        repository.append("c1", None, EVENTS)
        repository.save_reevaluation("c1", {"pain_now": 7}, patient_id="p1")

    def turn(session: Session) -> None:
        repository = Repository(session)
        standing = repository.standing("c1", "m1")
        assert standing is not None
        Inbox(session).receive("c1", "m1", {"text": "3"}, standing.position.key)
        repository.append("c1", standing.position, EVENTS)
        repository.save_reevaluation("c1", {"pain_now": 3}, patient_id=repository.patient_of("c1"))
        repository.remember_reply("c1", "m1", {"number": 1})

    with database.transaction() as session:
        ran = _statements(session, lambda: turn(session))
        assert Repository(session).reply("c1", "m1") == {"number": 1} and not Inbox(session).waiting("c1")
    assert [statement.split()[0] for statement, _ in ran] == ["SELECT", "INSERT", "WITH", "SELECT", "INSERT", "WITH"]


def test_last_reply_is_that_of_the_latest_turn_whatever_the_clock_says(database: Database) -> None:
    seen = None
    for number in range(3):
        with database.transaction() as session:
            repository = Repository(session, now=lambda number=number: DAY - timedelta(hours=number))
            seen = repository.append("c1", seen, EVENTS)
            repository.remember_reply("c1", f"m{number}", {"number": number})
            assert repository.last_reply("c1") == {"number": number}


def test_consent_again_keeps_its_time(database: Database) -> None:
    times = []
    with database.transaction() as session:
        for hours, version in [(0, "1"), (1, "1"), (2, "2"), (3, "2")]:
            repository = Repository(session, now=lambda hours=hours: DAY + timedelta(hours=hours))
            repository.save_consent("c1", "given", version)
            times.append(repository.export("c1")["conversations"][0]["consent_at"])
    assert times == [DAY, DAY, DAY + timedelta(hours=2), DAY + timedelta(hours=2)]


@pytest.mark.parametrize("state", ["pending", "given", "declined", "withdrawn"])
def test_consent_is_kept(database: Database, state: str) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        assert repository.consent("c1") == "pending"
        repository.save_consent("c1", state, "2026-11")
        assert repository.consent("c1") == state
        kept = repository.export("c1")["conversations"][0]
    assert kept["consent_version"] == "2026-11" and kept["consent_at"].tzinfo is UTC


# Rows by table; the events of one save are one row.
ROWS = {
    "findings": 2,
    "plans": 1,
    "answers": 1,
    "reevaluations": 1,
    "links": 2,
    "turns": 1,
    "events": 1,
    "inbox": 1,
    "outbox": 1,
    "notices": 1,
    "contacts": 1,
    "conversations": 1,
    "codes": 1,
}


def _fill(database: Database, conversation: str, patient: str | None) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        repository.append(
            conversation, None, [*EVENTS, {"event": "user", "timestamp": 4.0, "metadata": {"of": conversation}}]
        )
        repository.save_consent(conversation, "given", "1")
        repository.save_reevaluation(
            conversation,
            {"goal": f"said in {conversation}"},
            ASSESSMENT,
            patient_id=patient,
            said={"goal": f"the words of {conversation}"},
        )
        for kind in LINK_KINDS:
            repository.save_link(conversation, 1, kind, f"{kind} of {conversation}", LATER)
        if patient is not None:
            repository.save_code(patient, f"code of {patient}", LATER)
        repository.remember_reply(conversation, "m1", {"text": conversation})
        Inbox(session).receive(conversation, "m2", {"text": f"not yet answered in {conversation}"})
        Contacts(session).add(f"digest of {conversation}", "sms", conversation, f"the address of {conversation}")
        Outbox(session).put(f"letter of {conversation}", conversation, "reply", "sms", {"message": "m1"})
        Notices(session).add(f"notice of {conversation}", conversation, "message", 1, {"text": f"from {conversation}"})


def _holding(database: Database, value: str) -> list[str]:
    """Return table.column of every cell in the database whose text contains `value`."""
    with database.reading() as session:
        found = inspect(session.connection())
        cells = [(table, column["name"]) for table in found.get_table_names() for column in found.get_columns(table)]
        return [
            f"{table}.{column}"
            for table, column in cells
            if session.execute(
                select(func.count())
                .select_from(text(table))
                .where(cast(text(f"{table}.{column}"), AsText).contains(literal(value)))
            ).scalar_one()
        ]


def test_forget_leaves_no_trace_in_any_table(database: Database) -> None:
    _fill(database, "c-gone", "p-gone")
    _fill(database, "c-stays", "p-stays")
    stays = _holding(database, "c-stays")
    assert sorted(_holding(database, "c-gone")) == [
        "contacts.conversation_id",
        "contacts.digest",
        "conversations.id",
        "events.conversation_id",
        "inbox.conversation_id",
        "links.conversation_id",
        "links.digest",
        "notices.conversation_id",
        "notices.key",
        "outbox.conversation_id",
        "outbox.key",
        "reevaluations.conversation_id",
        "turns.conversation_id",
    ]
    assert sorted(_holding(database, "p-gone")) == [
        "codes.digest",
        "codes.patient_id",
        "conversations.patient_id",
        "patients.id",
        "reevaluations.patient_id",
    ]
    with database.transaction() as session:
        counts = Repository(session).forget("c-gone")
    assert counts == {**ROWS, "patients": 1}
    assert _holding(database, "gone") == []
    assert _holding(database, "c-stays") == stays
    assert set(_count(database)) == set(metadata.tables) - ALWAYS - {"erasures", "seen"}


def test_forget_keeps_a_patient_with_another_conversation(database: Database) -> None:
    _fill(database, "c1", "p1")
    _fill(database, "c2", "p1")
    with database.transaction() as session:
        repository = Repository(session)
        assert repository.forget("c1") == {**ROWS, "codes": 0, "patients": 0}
        latest = repository.latest("p1")
        assert latest is not None and latest.conversation_id == "c2"
        assert repository.patient_by_code("code of p1") == "p1"
        assert [repository.link(f"plan of {c}") is not None for c in ("c1", "c2")] == [False, True]
        assert repository.forget("c2") == {**ROWS, "patients": 1}
    assert _count(database) == {}


def test_patient_who_turns_out_to_be_another_leaves_no_code(database: Database) -> None:
    _fill(database, "c1", "guess")
    with database.transaction() as session:
        Repository(session).link_patient("c1", "p1")
    assert _holding(database, "guess") == []


WORKS: dict[str, Callable[[Repository], Any]] = {
    "forget c1": lambda repository: repository.forget("c1"),
    "forget c2": lambda repository: repository.forget("c2"),
    "save code": lambda repository: repository.save_code("p1", "late code", LATER),
    "save link": lambda repository: repository.save_link("c1", 1, "plan", "late link", LATER),
}


@pytest.mark.parametrize(
    ("conversations", "first", "second", "refused"),
    [
        (["c1", "c2"], "forget c1", "forget c2", False),
        (["c1"], "save code", "forget c1", False),
        (["c1"], "forget c1", "save code", True),
        (["c1"], "save link", "forget c1", False),
        (["c1"], "forget c1", "save link", True),
    ],
)
def test_erasure_beside_another_transaction_leaves_nothing(
    database: Database, conversations: list[str], first: str, second: str, refused: bool
) -> None:
    for conversation in conversations:
        _fill(database, conversation, "p1")

    def run_second() -> bool:
        try:
            with database.transaction() as session:
                WORKS[second](Repository(session))
        except StoreError:
            return True
        return False

    with ThreadPoolExecutor(1) as threads:
        with database.transaction() as session:
            WORKS[first](Repository(session))
            running = threads.submit(run_second)
            # Time for the second to reach what it has to wait for.
            time.sleep(0.3)
            assert not running.done()
        assert running.result(timeout=20) == refused
    assert _count(database) == {}


def test_forget_of_an_unknown_conversation_deletes_nothing(database: Database) -> None:
    _fill(database, "c1", "p1")
    with database.transaction() as session:
        assert set(Repository(session).forget("nobody").values()) == {0}


def test_export_holds_every_row_of_the_conversation_and_no_other(database: Database) -> None:
    _fill(database, "c1", "p1")
    _fill(database, "another", "somebody")
    with database.reading() as session:
        exported = Repository(session).export("c1")
    assert {table: len(rows) for table, rows in exported.items()} == {**ROWS, "events": 4, "audit": 1}
    assert [row["seq"] for row in exported["events"]] == [0, 1, 2, 3]
    assert [row["type"] for row in exported["events"]] == ["action", "session_started", "user", "user"]
    assert exported["events"][2]["timestamp"] == datetime.fromtimestamp(3, UTC)
    assert exported["events"][3]["data"]["metadata"] == {"of": "c1"}
    assert exported["findings"][0]["rule"] == "too_aggressive"
    assert exported["audit"][0]["detail"] == {"state": "given", "version": "1"}
    assert "another" not in str(exported) and "somebody" not in str(exported)
    assert exported["answers"][0]["value"] == "said in c1"
    assert exported["answers"][0]["said"] == "the words of c1"
    assert exported["codes"][0]["expires_at"] == exported["links"][0]["expires_at"] == LATER


def test_purge_takes_the_old_without_consent(database: Database) -> None:
    states = {"asked": "pending", "refused": "declined", "took back": "withdrawn", "agreed": "given"}
    with database.transaction() as session:
        for hours in (1, 3):
            repository = Repository(session, now=lambda hours=hours: DAY - timedelta(hours=hours))
            for name, state in states.items():
                repository.append(f"{name} {hours}", None, EVENTS)
                repository.save_consent(f"{name} {hours}", state)
    with database.transaction() as session:
        assert Repository(session).purge_unconsented(DAY - timedelta(hours=2), limit=2) == 2
    with database.transaction() as session:
        assert Repository(session).purge_unconsented(DAY - timedelta(hours=2)) == 1
    with database.transaction() as session:
        assert Repository(session).purge_unconsented(DAY - timedelta(hours=2)) == 0
        left = Repository(session).conversation_ids()
    assert sorted(left) == ["agreed 1", "agreed 3", "asked 1", "refused 1", "took back 1"]


def test_purge_takes_the_old_with_consent_and_everything_of_theirs(database: Database) -> None:
    for name, patient in [("c-old", "p1"), ("c-older", "p1"), ("new", "p2")]:
        _fill(database, name, patient)
    with database.transaction() as session:
        Repository(session).append("asked", None, EVENTS)
        for name, days in [("c-old", 2), ("c-older", 3), ("new", 1), ("asked", 9)]:
            written = update(Conversation).where(Conversation.id == name)
            session.execute(written.values(updated_at=DAY - timedelta(days=days)))
    left = []
    for _ in range(3):
        with database.transaction() as session:
            repository = Repository(session)
            purged = repository.purge_finished(DAY - timedelta(days=1), limit=1)
            left.append((purged, sorted(repository.conversation_ids()), repository.patient_by_code("code of p1")))
    assert left == [
        (1, ["asked", "c-old", "new"], "p1"),
        (1, ["asked", "new"], None),
        (0, ["asked", "new"], None),
    ]
    assert _holding(database, "c-old") == _holding(database, "p1") == []
    assert _count(database) == {**ROWS, "conversations": 2, "events": 2, "patients": 1}


def test_purge_takes_expired_codes_and_links(database: Database) -> None:
    with database.transaction() as session:
        repository = Repository(session, now=lambda: DAY)
        for hours in (-2, -1, 0, 1):
            until = DAY + timedelta(hours=hours)
            repository.link_patient(f"c {hours}", f"p {hours}")
            repository.save_code(f"p {hours}", f"d {hours}", until)
            repository.save_link(f"c {hours}", 1, "plan", f"d {hours}", until)
    purged = []
    for _ in range(3):
        with database.transaction() as session:
            purged.append(Repository(session, now=lambda: DAY).purge_expired(limit=4))
    assert purged == [4, 2, 0]
    assert _count(database) == {"conversations": 4, "patients": 4, "codes": 1, "links": 1}
    with database.reading() as session:
        repository = Repository(session, now=lambda: DAY)
        assert repository.patient_by_code("d 1") == "p 1" and repository.link("d 1") is not None


def test_purges_pass_over_what_another_transaction_holds(database: Database) -> None:
    if database.dialect != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    _fill(database, "c1", "p1")
    purges = [
        lambda repository: repository.purge_finished(LATER),
        lambda repository: repository.purge_expired(),
    ]
    with database.transaction() as holder:
        for table in ("conversations", "codes", "links"):
            holder.execute(text(f"SELECT * FROM {table} FOR UPDATE"))  # noqa: S608
        for purge in purges:
            with database.transaction() as session:
                session.execute(text("SET LOCAL lock_timeout = '2s'"))
                assert purge(Repository(session, now=lambda: LATER)) == 0


# What is looked up by an index, however many patients are stored, with the index that the first statement must use.
LOOKUPS: dict[str, tuple[Callable[[Repository], Any], str]] = {
    "latest": (lambda repository: repository.latest("p7"), "ix_reevaluations_patient_id_finished_at"),
    "history": (lambda repository: repository.history("p7"), "ix_reevaluations_patient_id_finished_at"),
    "reevaluation": (lambda repository: repository.reevaluation("c7"), ""),
    "patient_of": (lambda repository: repository.patient_of("c7"), ""),
    "patient_by_code": (lambda repository: repository.patient_by_code("d7"), ""),
    "link": (lambda repository: repository.link("d7"), ""),
    "save_code": (lambda repository: repository.save_code("p7", "new", LATER), ""),
    "save_link": (lambda repository: repository.save_link("c7", 1, "plan", "new", LATER), ""),
    "save_reevaluation": (lambda repository: repository.save_reevaluation("c7", {"goal": 2}, said={"goal": "2"}), ""),
    "export": (lambda repository: repository.export("c7"), ""),
    "forget": (lambda repository: repository.forget("c7"), ""),
    "purge_unconsented": (
        lambda repository: repository.purge_unconsented(DAY + timedelta(hours=5)),
        "ix_conversations_unconsented",
    ),
    "purge_finished": (
        lambda repository: repository.purge_finished(DAY + timedelta(hours=5)),
        "ix_conversations_consented",
    ),
    "purge_expired": (lambda repository: repository.purge_expired(), "ix_codes_expires_at"),
    "audit": (lambda repository: repository.audit("report", "c7"), ""),
    "contact": (lambda repository: Contacts(repository._session).find("d7"), ""),
    "contact_of": (lambda repository: Contacts(repository._session).of("c7"), ""),
    "take_once": (lambda repository: Contacts(repository._session).take_once("d7", LATER), ""),
    "put": (lambda repository: Outbox(repository._session).put("new", "c7", "reply", "sms", {}), ""),
    "claim": (lambda repository: Outbox(repository._session).claim(LATER, 9), "ix_outbox_state_due_at"),
    "claim_of_one": (lambda repository: Outbox(repository._session).claim(LATER, 9, "c7"), ""),
    "sent": (lambda repository: Outbox(repository._session).sent(7), ""),
    "notice": (lambda repository: Notices(repository._session).add("new", "c7", "person", 1, {}), ""),
    "unopened": (lambda repository: Notices(repository._session).unopened("c7", "person", 1), ""),
}
STORED = 2000


def _crowd(session: Session) -> None:
    """Store 2,000 patients, each with a conversation an hour after the one before, and one of everything in it."""
    each = [(number, DAY + timedelta(hours=number)) for number in range(STORED)]
    keys = session.info["plateau"].vault.create_many(STORED)

    def seal(n: int, value: Any, *place: Any) -> bytes:
        return keys[n][1].seal(value, *place)

    kept: dict[Any, Callable[[int, datetime], dict[str, Any]]] = {
        Patient: lambda n, at: {"id": f"p{n}", "created_at": at},
        Conversation: lambda n, at: {
            "id": f"c{n}",
            "key_id": keys[n][0],
            "patient_id": f"p{n}",
            "consent_state": "given" if n % 2 else "pending",
            "version": 0,
            "session_seq": 0,
            "created_at": at,
            "updated_at": at,
        },
        Reevaluation: lambda n, at: {
            "id": n + 1,
            "patient_id": f"p{n}",
            "conversation_id": f"c{n}",
            "run": 1,
            "started_at": at,
            "finished_at": at,
        },
        Answer: lambda n, at: {
            "reevaluation_id": n + 1,
            "question": "goal",
            "sealed": seal(n, [n, None], "answers", f"c{n}", n + 1, "goal"),
        },
        Finding: lambda n, at: {
            "reevaluation_id": n + 1,
            "position": 0,
            "sealed": seal(n, {"rule": "r", "because": [], "source": "s"}, "findings", f"c{n}", n + 1, 0),
        },
        Plan: lambda n, at: {
            "reevaluation_id": n + 1,
            "sealed": seal(n, {"findings": []}, "plans", f"c{n}", n + 1),
            "created_at": at,
        },
        Turn: lambda n, at: {
            "conversation_id": f"c{n}",
            "client_message_id": "m1",
            "version": 1,
            "sealed": seal(n, {}, "turns", f"c{n}", "m1"),
            "created_at": at,
        },
        Waiting: lambda n, at: {
            "conversation_id": f"c{n}",
            "client_message_id": "m2",
            "sealed": seal(n, {}, "inbox", f"c{n}", "m2"),
            "attempts": 1,
            "received_at": at,
        },
        Event: lambda n, at: {
            "conversation_id": f"c{n}",
            "seq": 0,
            "count": 1,
            "sealed": seal(n, [EVENTS[2]], "events", f"c{n}", 0, 1),
        },
        Code: lambda n, at: {"digest": f"d{n}", "patient_id": f"p{n}", "created_at": at, "expires_at": at},
        Link: lambda n, at: {
            "digest": f"d{n}",
            "conversation_id": f"c{n}",
            "run": 1,
            "kind": "plan",
            "created_at": at,
            "expires_at": at,
        },
        Audit: lambda n, at: {
            "seq": n + 1,
            "at": at,
            "kind": "report",
            "subject": keys[n][1].pseudonym(f"c{n}"),
            "detail": {},
            "link": b"",
        },
        Erasure: lambda n, at: {"key_id": f"gone {n}"},
        Contact: lambda n, at: {
            "digest": f"d{n}",
            "conversation_id": f"c{n}",
            "channel": "sms",
            "sealed": seal(n, f"+{n}", "contacts", f"c{n}", "sms"),
            "created_at": at,
        },
        Seen: lambda n, at: {"digest": f"d{n}", "expires_at": at},
        Letter: lambda n, at: {
            "key": f"k{n}",
            "conversation_id": f"c{n}",
            "kind": "reply",
            "target": "sms",
            "sealed": seal(n, {}, "outbox", f"c{n}", f"k{n}"),
            "state": "waiting" if n == STORED // 2 else "sent",
            "attempts": 1,
            "parts": 1,
            "ordered": True,
            "created_at": at,
            "due_at": at,
        },
        Notice: lambda n, at: {
            "key": f"k{n}",
            "conversation_id": f"c{n}",
            "kind": "person",
            "urgency": 1,
            "sealed": seal(n, {}, "notices", f"c{n}", f"k{n}"),
            "created_at": at,
        },
    }
    assert {model.__tablename__ for model in kept} == set(metadata.tables) - {"installation"}
    for model, row in kept.items():
        session.execute(insert(model), [row(number, at) for number, at in each])
    session.execute(text("ANALYZE"))


def _plans(session: Session, work: Callable[[], Any]) -> list[tuple[str, str]]:
    """Return each statement that `work` runs with what the database says it will do for it."""
    explain = "EXPLAIN QUERY PLAN" if session.get_bind().dialect.name == "sqlite" else "EXPLAIN"
    connection = session.connection()
    return [
        (statement, "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", values)))
        for statement, values in _statements(session, work)
    ]


def test_nothing_is_looked_up_by_reading_a_whole_table(database: Database) -> None:
    with database.transaction() as session:
        _crowd(session)
    for name, (work, index) in LOOKUPS.items():
        info = {"plateau": Work(database.vault)}
        with database._engine.connect() as connection, Session(connection, future=True, info=info) as session:
            repository = Repository(session, now=lambda: DAY + timedelta(hours=5))
            plans = _plans(session, lambda work=work, repository=repository: work(repository))
            assert plans and index in plans[0][1], (name, plans)
            for statement, plan in plans:
                scans = [line for line in plan.splitlines() if "Seq Scan" in line or line.startswith("SCAN")]
                # That table is empty, but after a crash; the rows are those being put in.
                scans = [line for line in scans if "erasures" not in line and "CONSTANT ROWS" not in line]
                assert not scans, (name, statement, plan)
            session.rollback()


@pytest.mark.parametrize(
    "bad", ["", "nul\0", "x" * 256, "x" * 300, "\ud800", "new\nline", 7], ids=lambda bad: ascii(bad)[:12]
)
@pytest.mark.parametrize(
    "method",
    [
        "save_consent",
        "save_reevaluation",
        "remember_reply",
        "forget",
        "reply",
        "append",
        "answer",
        "patient",
        "save_code",
        "patient_by_code",
        "save_link",
        "link",
    ],
)
def test_id_that_no_database_should_hold(database: Database, method: str, bad: Any) -> None:
    calls = {
        "save_consent": lambda repository: repository.save_consent(bad, "given"),
        "save_reevaluation": lambda repository: repository.save_reevaluation(bad, ANSWERS),
        "remember_reply": lambda repository: repository.remember_reply("c1", bad, {}),
        "forget": lambda repository: repository.forget(bad),
        "reply": lambda repository: repository.reply("c1", bad),
        "append": lambda repository: repository.append(bad, None, EVENTS),
        "answer": lambda repository: repository.save_reevaluation("c1", {bad: 1}),
        "patient": lambda repository: repository.save_reevaluation("c1", ANSWERS, patient_id=bad),
        "save_code": lambda repository: repository.save_code("p1", bad, LATER),
        "patient_by_code": lambda repository: repository.patient_by_code(bad),
        "save_link": lambda repository: repository.save_link("c1", 1, "plan", bad, LATER),
        "link": lambda repository: repository.link(bad),
    }
    with (
        pytest.raises(StoreError, match="an id must be 1 to 255 printable characters"),
        database.transaction() as session,
    ):
        calls[method](Repository(session))
    assert _count(database) == {}


@pytest.mark.parametrize(
    "said", ["\0", "\ud800", "a\udfffb", "🙂", "<b>'; DROP TABLE events;--", "x" * 100_000], ids=ascii
)
def test_text_of_any_kind_comes_back(database: Database, said: str) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        repository.save_reevaluation("c1", {"goal": said})
        repository.append("c1", None, [{"event": "user", "timestamp": 1.0, "text": said}])
        stored = repository.reevaluation("c1")
        assert stored is not None and stored.answers["goal"] == said
        assert repository.events("c1", 0, 1)[0]["text"] == said


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1, 2}, object(), b"bytes"], ids=["nan", "inf", "set", "object", "bytes"]
)
def test_value_that_is_not_json(database: Database, value: Any) -> None:
    with pytest.raises(StoreError, match="cannot be kept as JSON"), database.transaction() as session:
        Repository(session).save_reevaluation("c1", {"goal": value})
    assert _count(database) == {}


def test_times_are_utc_whatever_the_clock_says(database: Database) -> None:
    with database.transaction() as session:
        elsewhere = DAY.astimezone(timezone(timedelta(hours=-8)))
        Repository(session, now=lambda: elsewhere).save_reevaluation("c1", ANSWERS, ASSESSMENT)
        stored = Repository(session).reevaluation("c1")
    assert stored is not None and (stored.started_at, stored.finished_at) == (DAY, DAY)
    assert stored.started_at.tzinfo is UTC
    with pytest.raises(StoreError, match="time zone"), database.transaction() as session:
        Repository(session, now=lambda: DAY.replace(tzinfo=None)).save_consent("c2", "given")


def test_store_imports_neither_rasa_nor_spacy() -> None:
    check = "import sys, plateau.store; print({*sys.modules} & {'rasa', 'spacy', 'tensorflow'})"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
