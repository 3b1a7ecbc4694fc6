"""What the repository keeps: exactly what it was last given, once, and nothing after it was told to forget."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import String as AsText
from sqlalchemy import cast, func, inspect, literal, select, text

from plateau.store import Conflict, Database, Repository, StoreError
from plateau.store._models import metadata

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


def _count(database: Database) -> dict[str, int]:
    with database.reading() as session:
        return {
            name: count
            for name, table in metadata.tables.items()
            if (count := session.execute(select(func.count()).select_from(table)).scalar_one())
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
    assert _count(database)["events"] == (4 if known else 1)


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


ROWS = {"findings": 2, "plans": 1, "answers": 1, "reevaluations": 1, "turns": 1, "events": 4, "conversations": 1}


def _fill(database: Database, conversation: str, patient: str | None) -> None:
    with database.transaction() as session:
        repository = Repository(session)
        repository.append(
            conversation, None, [*EVENTS, {"event": "user", "timestamp": 4.0, "metadata": {"of": conversation}}]
        )
        repository.save_consent(conversation, "given", "1")
        repository.save_reevaluation(conversation, {"goal": f"said in {conversation}"}, ASSESSMENT, patient_id=patient)
        repository.remember_reply(conversation, "m1", {"text": conversation})


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
        "answers.value",
        "conversations.id",
        "events.conversation_id",
        "events.data",
        "reevaluations.conversation_id",
        "turns.conversation_id",
        "turns.reply",
    ]
    assert sorted(_holding(database, "p-gone")) == [
        "conversations.patient_id",
        "patients.id",
        "reevaluations.patient_id",
    ]
    with database.transaction() as session:
        counts = Repository(session).forget("c-gone")
    assert counts == {**ROWS, "patients": 1}
    assert _holding(database, "gone") == []
    assert _holding(database, "c-stays") == stays
    assert set(_count(database)) == set(metadata.tables)


def test_forget_keeps_a_patient_with_another_conversation(database: Database) -> None:
    _fill(database, "c1", "p1")
    _fill(database, "c2", "p1")
    with database.transaction() as session:
        repository = Repository(session)
        assert repository.forget("c1")["patients"] == 0
        latest = repository.latest("p1")
        assert latest is not None and latest.conversation_id == "c2"
        assert repository.forget("c2")["patients"] == 1
    assert _count(database) == {}


def test_forget_of_an_unknown_conversation_deletes_nothing(database: Database) -> None:
    _fill(database, "c1", "p1")
    with database.transaction() as session:
        assert set(Repository(session).forget("nobody").values()) == {0}


def test_export_holds_every_row_of_the_conversation_and_no_other(database: Database) -> None:
    _fill(database, "c1", "p1")
    _fill(database, "c2", "p2")
    with database.reading() as session:
        exported = Repository(session).export("c1")
    assert {table: len(rows) for table, rows in exported.items()} == ROWS
    assert "c2" not in str(exported) and exported["answers"][0]["value"] == "said in c1"


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


def test_purge_reads_only_the_unconsented(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path)
    database.upgrade()
    query = "SELECT id FROM conversations WHERE consent_state != 'given' AND updated_at < '2026' ORDER BY updated_at"
    with database.reading() as session:
        plan = str(session.execute(text(f"EXPLAIN QUERY PLAN {query}")).all())
    database.close()
    assert "ix_conversations_unconsented" in plan


@pytest.mark.parametrize(
    "bad", ["", "nul\0", "x" * 256, "x" * 300, "\ud800", "new\nline", 7], ids=lambda bad: ascii(bad)[:12]
)
@pytest.mark.parametrize(
    "method", ["save_consent", "save_reevaluation", "remember_reply", "forget", "reply", "append", "answer", "patient"]
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
