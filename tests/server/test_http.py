"""The gateway over HTTP: what it takes, what it refuses, and that no refusal harms the conversation."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from plateau.content import catalog
from plateau.protocol import QUESTIONS
from plateau.server._incoming import Incoming
from plateau.server._limits import BODY_BYTES, Rate
from plateau.server._sessions import BadToken, Sessions
from plateau.store import Conflict, Repository
from plateau.store._models import Conversation, Event, Turn, metadata

New = Callable[[str], Awaitable[Any]]
Served = tuple[Any, Any]
in_one_loop = pytest.mark.asyncio(loop_scope="session")

CANARY = "zebrafinch"


def everything(app: Any) -> str:
    """Every row of every table, and every conversation's opened, as one text."""
    with app.state.gateway.database.reading() as session:
        rows = [dict(row) for each in metadata.sorted_tables for row in session.execute(select(each)).mappings()]
        ids = session.execute(select(Conversation.id)).scalars().all()
        opened = [Repository(session).export(conversation) for conversation in ids]
    return json.dumps([rows, opened], default=str)


def sealed(app: Any, conversation: str) -> list[bytes]:
    """The bytes in which the conversation's events and replies lie in the database."""
    with app.state.gateway.database.reading() as session:
        found = [select(kind.sealed).where(kind.conversation_id == conversation) for kind in (Event, Turn)]
        return [bytes(one) for each in found for one in session.execute(each).scalars()]


def none_of(parts: list[bytes], folder: str) -> bool:
    """Tell whether there are parts, and no file of either database holds the beginning of any (pages cut the rest)."""
    raw = database_bytes(folder)
    return bool(parts) and not any(part[:24] in raw for part in parts)


# ---------------------------------------------------------------- refused

ID = {"id": "m1"}
DEEP = b'{"id":"m1","answers":' + b"[" * 5000 + b"]" * 5000 + b"}"
REFUSED = [
    # name, body, status, code
    ("no body", b"", 400, "bad_json"),
    ("not JSON", b"{oops", 400, "bad_json"),
    ("not UTF-8", b'{"id":"m1","text":"\xff"}', 400, "bad_json"),
    ("a list", [1, 2], 400, "bad_json"),
    ("a string", '"hello"', 400, "bad_json"),
    ("null", b"null", 400, "bad_json"),
    ("nested 5,000 deep", DEEP, 400, "bad_json"),
    ("nested 300 deep", b'{"id":"m1","answers":{"goal":' + b"[" * 300 + b"]" * 300 + b"}}", 400, "bad_json"),
    ("NaN", b'{"id":"m1","answers":{"pain_now":NaN}}', 400, "bad_json"),
    ("1e999", b'{"id":"m1","answers":{"pain_now":1e999}}', 400, "bad_json"),
    ("a number of 400 digits", b'{"id":"m1","answers":{"sessions":' + b"9" * 400 + b"}}", 400, "bad_json"),
    ("20 KiB", {**ID, "text": "a" * 20 * 1024}, 413, "too_large"),
    ("one byte too many", b" " * (BODY_BYTES + 1), 413, "too_large"),
    ("2,001 characters", {**ID, "text": "a" * 2001}, 400, "too_long"),
    ("an empty text", {**ID, "text": ""}, 400, "empty"),
    ("white space", {**ID, "text": " \t\n\u3000 "}, 400, "empty"),
    ("NUL bytes only", {**ID, "text": "\x00\x00"}, 400, "empty"),
    ("a lone surrogate only", b'{"id":"m1","text":"\\ud800"}', 400, "empty"),
    ("an unknown field", {**ID, "text": "hello", "sender": "someone"}, 400, "bad_field"),
    ("text and a command", {**ID, "text": "hello", "command": {"name": "back"}}, 400, "bad_message"),
    ("text and answers", {**ID, "text": "hello", "answers": {"safety_now": ["none"]}}, 400, "bad_message"),
    ("nothing said", ID, 400, "bad_message"),
    ("no id", {"text": "hello", "id": None}, 400, "bad_id"),
    ("an empty id", {"id": "", "text": "hello"}, 400, "bad_id"),
    ("an id of 65 characters", {"id": "a" * 65, "text": "hello"}, 400, "bad_id"),
    ("an id with a line break", {"id": "a\nb", "text": "hello"}, 400, "bad_id"),
    ("an id beyond ASCII", {"id": "·start", "text": "hello"}, 400, "bad_id"),
    ("an id that is a number", {"id": 7, "text": "hello"}, 400, "bad_id"),
    ("a text that is an object", {**ID, "text": {"a": 1}}, 400, "bad_text"),
    ("a text that is a number", {**ID, "text": 7}, 400, "bad_text"),
    ("no answers", {**ID, "answers": {}}, 400, "bad_answers"),
    ("answers that are a list", {**ID, "answers": ["none"]}, 400, "bad_answers"),
    ("an unknown question", {**ID, "answers": {"shoe_size": 42}}, 400, "bad_answers"),
    ("Rasa's own slot", {**ID, "answers": {"requested_slot": "consent"}}, 400, "bad_answers"),
    ("red flags as an answer", {**ID, "answers": {"red_flags": []}}, 400, "bad_answers"),
    ("an unknown value", {**ID, "answers": {"safety_now": ["toothache"]}}, 400, "bad_answer"),
    ("none and another", {**ID, "answers": {"safety_now": ["none", "chest_pain"]}}, 400, "bad_answer"),
    ("an empty list", {**ID, "answers": {"safety_now": []}}, 400, "bad_answer"),
    ("an answer of another kind", {**ID, "answers": {"safety_now": {"none": True}}}, 400, "bad_answer"),
    ("pain of 11", {**ID, "answers": {"pain_now": 11}}, 400, "bad_answer"),
    ("pain of 3.5", {**ID, "answers": {"pain_now": 3.5}}, 400, "bad_answer"),
    ("pain of true", {**ID, "answers": {"pain_now": True}}, 400, "bad_answer"),
    ("a question not asked now", {**ID, "answers": {"pain_now": 3}}, 400, "not_asked"),
    ("a question asked before", {**ID, "answers": {"consent": "no"}}, 400, "not_asked"),
    ("one asked now and one not", {**ID, "answers": {"safety_now": ["none"], "goal": "run"}}, 400, "not_asked"),
    ("the review, smuggled", {**ID, "answers": {"review": "confirm"}}, 400, "not_asked"),
    ("confirm outside the review", {**ID, "command": {"name": "confirm"}}, 400, "not_asked"),
    ("an unknown command", {**ID, "command": {"name": "sudo"}}, 400, "bad_command"),
    ("the gateway's own command", {**ID, "command": {"name": "start"}}, 400, "bad_command"),
    ("a command that is a string", {**ID, "command": "back"}, 400, "bad_command"),
    ("a command whose name is a list", {**ID, "command": {"name": ["back"]}}, 400, "bad_command"),
    ("change of nothing", {**ID, "command": {"name": "change"}}, 400, "bad_command"),
    ("change of an unknown question", {**ID, "command": {"name": "change", "question": "shoe"}}, 400, "bad_command"),
    ("after a word", {**ID, "text": "hello", "after": "3"}, 400, "bad_after"),
    ("after 1.0", {**ID, "text": "hello", "after": 1.0}, 400, "bad_after"),
    ("after true", {**ID, "text": "hello", "after": True}, 400, "bad_after"),
    ("after -1", {**ID, "text": "hello", "after": -1}, 400, "bad_after"),
    ("after a list", {**ID, "text": "hello", "after": [1]}, 400, "bad_after"),
    ("change of a list", {**ID, "command": {"name": "change", "question": []}}, 400, "bad_command"),
]  # fmt: skip


@in_one_loop
@pytest.mark.parametrize(("body", "status", "code"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
async def test_what_cannot_be_taken_is_refused_in_words_and_changes_nothing(
    patient: New, body: Any, status: int, code: str
) -> None:
    someone = await patient("safety_now")
    before, rows = await someone.resume(), someone.rows()
    response = await someone.post(body)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["message"].endswith(".")
    assert len(error["message"]) < 1000
    assert (await someone.resume(), someone.rows()) == (before, rows)
    await someone.send(answers={"safety_now": ["none"]})
    assert someone.asked == ["safety_nerves"]


@in_one_loop
@pytest.mark.parametrize(
    "answers",
    [{"consent": "yes"}, {"consent": "yes", "pain_now": 5}, {"pain_now": 5}, {"safety_now": ["none"]}],
    ids=str,
)
async def test_nothing_about_health_is_taken_before_consent_is_asked(patient: New, answers: Any) -> None:
    someone = await patient("start")
    response = await someone.post({"answers": answers})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "not_asked")
    assert someone.answers() == {}


@in_one_loop
async def test_consent_with_health_answers_is_refused_whole(patient: New) -> None:
    someone = await patient("consent")
    response = await someone.post({"answers": {"consent": "yes", "pain_now": 5}})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "not_asked")
    assert (await someone.send(answers={"consent": "yes"}))["stage"] == "safety"
    assert someone.answers() == {"for_whom": "self", "country": "us", "consent": "yes"}


@in_one_loop
async def test_what_another_answer_of_the_message_brings_up_is_taken_with_it(patient: New) -> None:
    someone = await patient("you")
    await someone.send(answers={"body_region": "knee", "side": "left", "age_band": "40_49", "pregnancy": "no"})
    assert someone.asked == ["diagnosis_given", "diagnosis_fit"]
    kept = {"body_region": "knee", "side": "left", "age_band": "40_49", "pregnancy": "no"}
    assert kept.items() <= someone.answers().items()


@in_one_loop
@pytest.mark.parametrize(
    "answers",
    [
        {"body_region": "neck", "side": "left"},
        {"body_region": "skipped", "side": "left"},
        {"side": "left"},
        {"age_band": "40_49", "side": "left"},
        {"age_band": "65_plus", "pregnancy": "no"},
        {"body_region": "knee", "side": "left", "onset": "injury"},
        {"body_region": "knee", "side": "left", "consent": "no"},
    ],
    ids=str,
)
async def test_what_no_answer_of_the_message_brings_up_is_not_asked(patient: New, answers: Any) -> None:
    someone = await patient("you")
    rows = someone.rows()
    response = await someone.post({"answers": answers})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "not_asked")
    assert someone.rows() == rows


# ---------------------------------------------------------------- odd words, taken as words

WORDS = [
    # what is typed at the safety list, what is said
    ("emoji", "😀😀", "utter_not_understood"),
    ("NUL within", "\x00;\x00", "utter_not_understood"),
    ("a slash", "/", "utter_not_understood"),
    ("a payload", '/inform{"pain_now":3}', "utter_not_understood"),
    ("a payload with an entity", '/correct_answer{"change": "consent"}', None),
    ("a payload of the emergency's end", '/flag_mistake{"red_flags": []}', None),
    ("HTML", "<img src=x onerror=alert(1)>", None),
    ("a brace", "{clinic} %s {0}", "utter_not_understood"),
    ("2,000 characters", "ab " * 666 + "ab", None),
    ("right to left", "\u202eolleh\u202c", None),
    ("SQL", "'; DROP TABLE events; --", None),
]


@in_one_loop
@pytest.mark.parametrize(("text", "said"), [pytest.param(*row[1:], id=row[0]) for row in WORDS])
async def test_odd_words_are_answered_and_the_question_stays(patient: New, text: str, said: str | None) -> None:
    someone = await patient("safety_now")
    before = someone.answers()
    await someone.send(text=text)
    assert someone.asked == ["safety_now"]
    assert someone.heard[-1] == "retry.safety_now"
    assert said is None or said in someone.heard
    assert someone.answers() == before


@in_one_loop
@pytest.mark.parametrize(
    "text",
    ["/restart", " /restart", "\t/restart", "\u2060/restart", "\u200b \u2060/restart", "／restart", "/session_start"],
)
async def test_a_typed_command_of_rasa_deletes_nothing(patient: New, text: str) -> None:
    someone = await patient("you")
    before, log = someone.answers(), len(someone.rows()["events"])
    await someone.send(text=text)
    await someone.send(text="no")
    assert someone.asked == ["age_band", "body_region"]
    assert someone.answers() == before
    assert len(someone.rows()["events"]) > log
    assert not [row for row in someone.rows()["events"] if row["type"] in ("restart", "reset_slots")]


ORDERS = ["/restart", "/restart_confirmed", "/restart_interview", "/affirm", "/restart\n/restart", "//restart"]


@in_one_loop
@pytest.mark.parametrize("place", ["consent", "safety_now", "you"])
@pytest.mark.parametrize("text", ORDERS)
async def test_an_order_typed_again_and_again_starts_nothing_again(patient: New, place: str, text: str) -> None:
    someone = await patient(place)
    before = someone.answers()
    for _ in range(4):
        await someone.send(text=text)
        assert "utter_restarted" not in someone.heard
        assert someone.answers() == before


@in_one_loop
@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("yes", True),
        ("sure", True),
        *((text, False) for text in (*ORDERS, "/yes", "restart", "start over please", "no")),
    ],
)
async def test_only_a_yes_in_words_or_the_button_starts_again(patient: New, text: str, again: bool) -> None:
    someone = await patient("you")
    before = someone.answers()
    await someone.send(text="restart")
    assert someone.heard == ["utter_ask_restart"]
    assert someone.answers() == before
    await someone.send(text=text)
    assert ("utter_restarted" in someone.heard) is again
    assert (someone.answers() != before) is again


@in_one_loop
@pytest.mark.parametrize("text", ['/answer{"consent": "yes", "pain_now": 3}', '/answer{"body_region":"knee"}'])
async def test_a_typed_payload_fills_no_other_slot(patient: New, text: str) -> None:
    someone = await patient("safety_now")
    await someone.send(text=text)
    await someone.send(answers={"safety_now": ["none"]}) if "safety_now" in someone.asked else None
    assert set(someone.answers()) <= {"for_whom", "country", "consent", "safety_now"}


@in_one_loop
async def test_lone_surrogates_and_nul_are_dropped_from_words_that_are_kept(patient: New) -> None:
    someone = await patient("safety_now")
    body = json.dumps({"id": "m1", "text": "@@ I like"})[:-2].replace("@@", r"\ud800\u0000") + r' tea \ud83d"}'
    assert (await someone.post(body)).status_code == 200
    said = [row["data"]["text"] for row in someone.rows()["events"] if row["type"] == "user"]
    assert said[-1] == "I like tea"


# ---------------------------------------------------------------- tokens


@in_one_loop
@pytest.mark.parametrize("path", ["/api/turn", "/api/resume", "/api/forget"])
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("none", lambda mine, other: None),
        ("empty", lambda mine, other: ""),
        ("changed in its middle", lambda mine, other: mine[:9] + chr(ord(mine[9]) ^ 1) + mine[10:]),
        ("with another's signature", lambda mine, other: mine[: mine.rindex(".")] + other[other.rindex(".") :]),
        ("of another secret", lambda mine, other: Sessions("guess").issue("web-x")),
        ("too long", lambda mine, other: mine * 40),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_wrong_token_opens_nothing(patient: New, path: str, name: str, wrong: Any) -> None:
    someone, other = await patient("start"), await patient("start")
    rows = someone.rows()
    token = wrong(someone.token, other.token)
    method = "GET" if path == "/api/resume" else "POST"
    headers = {} if token is None else bearer(token)
    response = await someone.call(method, path, {"id": "m1", "text": "hello"}, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "bad_token")
    assert someone.rows() == rows


@in_one_loop
async def test_a_token_under_another_scheme_opens_nothing(patient: New) -> None:
    someone = await patient("start")
    headers = {"Authorization": f"Basic {someone.token}"}
    assert (await someone.call("GET", "/api/resume", headers=headers)).status_code == 401


SECRET = "kept"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_expires() -> None:

    token = Sessions(SECRET).issue("web-x")
    assert Sessions(SECRET).conversation(token) == "web-x"
    with pytest.raises(BadToken):
        Sessions(SECRET, lifetime=-1).conversation(token)


@in_one_loop
async def test_a_token_reaches_its_own_conversation_only(patient: New) -> None:
    one, two = await patient("safety_now"), await patient("safety_now")
    before = one.rows()
    await two.send(text="My calf is swollen and warm")
    assert one.rows() == before
    await two.call("POST", "/api/forget")
    assert one.rows() == before
    assert (await one.resume())["screen"]["id"] == "safety_now"


# ---------------------------------------------------------------- once, in order, and not too many


@in_one_loop
async def test_the_same_message_again_gets_the_same_reply_and_is_stored_once(patient: New) -> None:
    someone = await patient("start")
    message = {"id": "same", "answers": {"for_whom": "self", "country": "uk"}}
    first = await someone.post(message)
    rows = someone.rows()
    again = await someone.post(message)
    assert (first.status_code, again.json()) == (200, first.json())
    assert someone.rows() == rows


@in_one_loop
async def test_the_same_message_twice_at_once_is_one_turn(patient: New) -> None:
    someone = await patient("start")
    turns = len(someone.rows()["turns"])
    message = {"id": "same", "answers": {"for_whom": "self", "country": "uk"}}
    first, again = await asyncio.gather(someone.post(message), someone.post(message))
    assert first.json() == again.json()
    assert len(someone.rows()["turns"]) == turns + 1


@in_one_loop
async def test_two_messages_at_once_are_both_taken_one_after_the_other(patient: New) -> None:
    someone = await patient("safety_now")
    number = someone.turn["number"]
    texts = ["what is dry needling", "how long does this take"]
    replies = await asyncio.gather(*(someone.post({"text": text}) for text in texts))
    assert [reply.status_code for reply in replies] == [200, 200]
    assert sorted(reply.json()["number"] for reply in replies) == [number + 1, number + 2]
    said = [row["data"]["text"] for row in someone.rows()["events"] if row["type"] == "user"]
    assert sorted(said[-2:]) == sorted(texts)
    latest = max((reply.json() for reply in replies), key=lambda turn: turn["number"])
    assert await someone.resume() == latest


@in_one_loop
@pytest.mark.parametrize(
    "late",
    [
        {"answers": {"safety_now": ["none"]}},
        {"text": "none of these"},
        {"command": {"name": "skip"}},
        {"command": {"name": "back"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("missed", [1, -1])
async def test_a_stale_tab_changes_nothing_and_gets_the_latest_turn(patient: New, late: Any, missed: int) -> None:
    someone = await patient("safety_now")
    seen = someone.turn["number"] - missed
    before, rows = await someone.resume(), someone.rows()
    response = await someone.post({**late, "after": seen})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "stale")
    assert response.json()["turn"] == before
    assert (await someone.resume(), someone.rows()) == (before, rows)
    assert (await someone.post({**late, "after": before["number"]})).status_code == 200


@in_one_loop
@pytest.mark.parametrize(
    "danger",
    [
        {"text": "I have crushing chest pain and I cannot breathe", "after": "soon"},
        {"answers": {"safety_now": ["chest_pain"]}, "after": 0},
        {"text": "I have crushing chest pain and I cannot breathe", "id": ""},
        {"text": "I have crushing chest pain and I cannot breathe", "mood": "scared"},
        {"text": "I have crushing chest pain and I cannot breathe", "command": {"name": "human"}},
        {"answers": {"goal": "I have crushing chest pain and I cannot breathe", "pain_now": 11}},
    ],
    ids=str,
)
async def test_danger_in_what_cannot_be_taken_is_still_answered(patient: New, danger: Any) -> None:
    someone = await patient("safety_now")
    before, rows = await someone.resume(), someone.rows()
    response = await someone.post(danger)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_saved")
    said = response.json()["turn"]["messages"]
    assert [message["id"] for message in said] == ["safety.emergency", "safety.net.not_saved"]
    assert "911" in said[0]["text"]
    assert (await someone.resume(), someone.rows()) == (before, rows)


@in_one_loop
async def test_danger_said_in_a_stale_tab_is_taken(patient: New) -> None:
    someone = await patient("safety_now")
    turn = await someone.send(text="I have crushing chest pain and I cannot breathe", after=0)
    assert (turn["stage"], turn["saved"]) == ("emergency", True)
    assert turn["messages"][0]["id"] == "safety.emergency"


@in_one_loop
@pytest.mark.parametrize(
    ("words", "told"), [("I have crushing chest pain and I cannot breathe", True), ("my knee hurts", False)]
)
async def test_danger_said_after_the_end_is_answered(patient: New, words: str, told: bool) -> None:
    someone = await patient("safety_now")
    message = {"id": "late", "text": words}
    response = await someone.call("POST", "/api/turn", message, headers=bearer("of another day"))
    assert response.status_code == 401
    assert ("911" in response.text) is told


@in_one_loop
async def test_who_comes_too_late_to_go_on_can_still_delete(
    patient: New, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone = await patient("safety_now")
    monkeypatch.setattr(served[1].state.gateway.sessions, "lifetime", -1)
    assert (await someone.call("GET", "/api/resume")).status_code == 401
    assert (await someone.call("POST", "/api/forget")).status_code == 200
    monkeypatch.undo()
    assert (await someone.call("GET", "/api/resume")).status_code == 401


@in_one_loop
async def test_a_message_that_was_taken_is_taken_however_old_it_is(patient: New) -> None:
    someone = await patient("safety_now")
    message = {"id": "same", "answers": {"safety_now": ["none"]}, "after": someone.turn["number"]}
    first = await someone.send(**message)
    await someone.send(answers={"safety_nerves": ["none"]}, after=first["number"])
    rows = someone.rows()
    again = await someone.post(message)
    assert (again.status_code, again.json()) == (200, first)
    assert someone.rows() == rows


@in_one_loop
@pytest.mark.parametrize(("guarded", "status"), [(True, 409), (False, 200)])
async def test_a_message_that_another_worker_overtook_is_stale(
    patient: New, served: Served, monkeypatch: pytest.MonkeyPatch, guarded: bool, status: int
) -> None:
    turns = served[1].state.gateway.turns
    someone = await patient("safety_now")
    taken = turns._turn

    async def overtaken(agent: Any, store: Any, conversation: str, message: Incoming, heard: Any, tracker: Any) -> Any:
        monkeypatch.setattr(turns, "_turn", taken)
        await taken(agent, store, conversation, Incoming("quicker", text="what is dry needling"), (), tracker)
        raise Conflict("another worker was quicker")

    monkeypatch.setattr(turns, "_turn", overtaken)
    after = {"after": someone.turn["number"]} if guarded else {}
    response = await someone.post({"answers": {"safety_now": ["none"]}, **after})
    assert response.status_code == status
    assert ("safety_now" in someone.answers()) is not guarded


@in_one_loop
async def test_a_client_may_call_its_first_message_start(patient: New) -> None:
    someone = await patient("start")
    await someone.send(id="start", answers={"for_whom": "self", "country": "us"})
    assert someone.asked == ["consent"]


@in_one_loop
async def test_too_many_messages_are_refused_and_none_of_them_is_lost(
    patient: New, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone, other = await patient("safety_now"), await patient("safety_now")
    now = [0.0]
    monkeypatch.setattr(served[1].state.gateway, "turn_rate", Rate(60, burst=2, clock=lambda: now[0]))
    answered = [(await someone.post({"text": "what is an MRI"})).status_code for _ in range(3)]
    assert answered == [200, 200, 429]
    refused = await someone.post({"text": "what is an MRI"})
    assert refused.json()["error"]["code"] == "too_many"
    assert (await other.post({"text": "what is an MRI"})).status_code == 200
    now[0] = 1.0
    assert (await someone.post({"answers": {"safety_now": ["none"]}})).status_code == 200


@in_one_loop
async def test_too_many_new_conversations_from_one_address_are_refused(
    visitor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor.app.state.gateway, "session_rate", Rate(60, burst=1, clock=lambda: 0.0))
    await visitor.begin()
    refused = await visitor.call("POST", "/api/session", headers={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many")


# ---------------------------------------------------------------- the other routes


@in_one_loop
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/api/words", 200),
        ("GET", "/", 200),
        ("GET", "/nothing-here", 404),
        ("GET", "/../pyproject.toml", 404),
        ("GET", "/..%2fpyproject.toml", 404),
        ("GET", "/api/turn", 404),
        ("DELETE", "/api/session", 405),
    ],
)
async def test_routes_and_their_security_headers(visitor: Any, method: str, path: str, status: int) -> None:
    response = await visitor.call(method, path, headers={})
    assert response.status_code == status


@in_one_loop
async def test_the_page_runs_no_script_but_its_own(visitor: Any) -> None:
    policy = (await visitor.call("GET", "/", headers={})).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


@in_one_loop
async def test_health_and_ready_say_so(visitor: Any) -> None:
    assert (await visitor.call("GET", "/health", headers={})).json() == {"alive": True}
    assert (await visitor.call("GET", "/ready", headers={})).json() == {"ready": True}


@in_one_loop
async def test_an_unexpected_error_is_a_500_in_plain_words(
    patient: New, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(token: str) -> str:
        raise RuntimeError(CANARY)

    someone = await patient("start")
    monkeypatch.setattr(served[1].state.gateway.sessions, "conversation", broken)
    response = await someone.call("GET", "/api/resume")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "unexpected")
    assert CANARY not in response.text


# ---------------------------------------------------------------- what is kept and what is not


@in_one_loop
async def test_forget_deletes_every_row_and_ends_the_conversation(patient: New, served: Served) -> None:
    someone = await patient("you")
    await someone.send(text=f"I am 45 and my knee is a {CANARY}")
    conversation, folder = someone.conversation, served[1].state.gateway.settings.data
    assert CANARY in str(someone.rows()) and CANARY in everything(served[1])
    # At rest the words are in no file at all; what they were sealed into is.
    assert CANARY.encode() not in database_bytes(folder)
    parts = sealed(served[1], conversation)
    assert not none_of(parts, folder)
    response = await someone.call("POST", "/api/forget")
    assert (response.status_code, response.json()) == (200, {"forgotten": True})
    assert not any(someone.rows().values())
    stored = everything(served[1])
    assert conversation not in stored
    assert CANARY not in stored
    assert none_of(parts, folder)
    for path in ("/api/resume", "/api/turn"):
        method = "GET" if path == "/api/resume" else "POST"
        assert (await someone.call(method, path, {"id": "m", "text": "hello"})).status_code == 401
    assert (await someone.call("POST", "/api/forget")).status_code == 200


def database_bytes(folder: str) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(Path(folder).glob("*.db*")))


@in_one_loop
async def test_what_was_said_before_consent_is_dropped_when_it_is_declined(patient: New, served: Served) -> None:
    someone = await patient("consent")
    await someone.send(text=f"my {CANARY} knee hurts a lot")
    assert CANARY in everything(served[1])
    parts = sealed(served[1], someone.conversation)
    await someone.send(answers={"consent": "no"})
    assert (someone.turn["stage"], someone.heard) == ("declined", ["utter_declined"])
    assert CANARY not in everything(served[1])
    assert none_of(parts, served[1].state.gateway.settings.data)
    assert someone.answers() == {}
    assert [row["consent_state"] for row in someone.rows()["conversations"]] == ["declined"]
    await someone.send(text=f"no thanks, {CANARY}")
    assert CANARY not in everything(served[1])


@in_one_loop
@pytest.mark.parametrize(
    "back", [{"command": {"name": "resume"}}, {"text": "yes"}, {"text": "I changed my mind"}], ids=str
)
async def test_a_declined_consent_can_be_taken_up_again(patient: New, back: Any) -> None:
    someone = await patient("consent")
    await someone.send(answers={"consent": "no"})
    await someone.send(**back)
    assert someone.asked == ["consent"]
    await someone.send(answers={"consent": "yes"})
    assert someone.asked == ["safety_now"]
    assert [row["consent_state"] for row in someone.rows()["conversations"]] == ["given"]


@in_one_loop
async def test_only_what_was_said_without_consent_is_purged_in_time(patient: New, served: Served) -> None:
    gateway = served[1].state.gateway
    await gateway.turns.purge()
    quiet, fresh, agreed = await patient("consent"), await patient("consent"), await patient("safety_now")
    await quiet.send(text=f"my {CANARY} knee hurts")
    parts = sealed(served[1], quiet.conversation)
    minutes = gateway.clinic.keep_before_consent_minutes
    for someone, age in ((quiet, minutes + 1), (fresh, minutes - 1), (agreed, minutes + 1)):
        past = datetime.now(UTC) - timedelta(minutes=age)
        change = update(Conversation).where(Conversation.id == someone.conversation).values(updated_at=past)
        with gateway.database.transaction() as session:
            session.execute(change, execution_options={"synchronize_session": False})
    assert await gateway.turns.purge() == 1
    assert none_of(parts, gateway.settings.data)
    assert [any(someone.rows().values()) for someone in (quiet, fresh, agreed)] == [False, True, True]
    assert (await quiet.post({"answers": {"consent": "yes"}})).status_code == 401


@in_one_loop
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("a purged conversation", {"text": "I have crushing chest pain and I cannot breathe"}),
        ("a question not asked", {"answers": {"better": "I have crushing chest pain and I cannot breathe"}}),
        ("too many words", {"text": "I have crushing chest pain and I cannot breathe " + "really " * 300}),
    ],
)
async def test_a_refused_message_that_tells_of_an_emergency_is_still_answered(
    patient: New, served: Served, what: str, message: Any
) -> None:
    someone = await patient("consent")
    if what == "a purged conversation":
        await served[1].state.gateway.turns.forget(someone.conversation)
    response = await someone.post(message)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_saved")
    said = response.json()["turn"]["messages"]
    assert [message["id"] for message in said] == ["safety.emergency", "safety.net.not_saved"]
    assert "911" in said[0]["text"]


# ---------------------------------------------------------------- no patient text in any log


class Everything(logging.Handler):
    """Keeps every record whole: its message, arguments, extra fields and traceback."""

    def __init__(self) -> None:
        super().__init__(level=0)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.levelname} {logging.Formatter().format(record)} {vars(record)!r}")


@in_one_loop
async def test_no_log_ever_holds_a_patients_words(
    patient: New, served: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Plateau's loggers and the root at DEBUG; third parties as `quiet` leaves them."""
    app = served[1]
    actions = app.state.gateway.turns._agent.action_endpoint._executor.actions

    def raises(dispatcher: Any, tracker: Any, domain: Any) -> Any:
        raise RuntimeError(tracker.latest_message["text"])

    def garbage(dispatcher: Any, tracker: Any, domain: Any) -> Any:
        return [{"event": "slot", "timestamp": None, "name": "goal", "value": {}, "bad": CANARY}, {"oops": CANARY}]

    caught = Everything()
    root, ours = logging.getLogger(), logging.getLogger("plateau")
    levels = root.level, ours.level
    root.addHandler(caught)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.DEBUG)
    try:
        someone = await patient("consent")
        for text in (f"{CANARY}?", f"my {CANARY} pain is terrible", f'/{CANARY}{{"a": "{CANARY}"}}', f"/{CANARY} x"):
            await someone.send(text=text)
        await someone.send(answers={"consent": "yes"})
        for body in (f"{{{CANARY}", {"text": CANARY * 300}, {"answers": {"safety_now": [CANARY]}}, {CANARY: 1}):
            assert (await someone.post(body)).status_code == 400
        assert (await someone.call("POST", "/api/turn", CANARY, headers=bearer(CANARY))).status_code == 401
        for name, fault in (("validate_safety_form", raises), ("action_human", raises), ("action_human", garbage)):
            with monkeypatch.context() as broken:
                broken.setitem(actions, name, fault)
                await someone.post({"text": f"I want a human {CANARY}"})
                await someone.post({"answers": {"safety_now": ["none"]}})
        await someone.send(text=f"I have crushing chest pain {CANARY}")
        with monkeypatch.context() as broken:
            broken.setattr(app.state.gateway.net, "_listener", None)
            await someone.post({"text": f"chest pain {CANARY}"})
        with monkeypatch.context() as broken:
            broken.setattr(app.state.gateway.sessions, "conversation", lambda token: 1 / 0 if token else CANARY)
            await someone.post({"text": CANARY})
        await someone.call("POST", "/api/forget")
    finally:
        root.removeHandler(caught)
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
    written = capfd.readouterr()
    assert caught.lines, "the handler caught nothing: this test proves nothing"
    assert any("failed" in line for line in caught.lines)
    leaks = [line for line in caught.lines if CANARY in line.lower()]
    assert not leaks, leaks[0][:600]
    assert CANARY not in (written.out + written.err).lower()


# ---------------------------------------------------------------- the page's words


@in_one_loop
async def test_the_words_of_the_page_come_with_every_countrys_numbers(visitor: Any) -> None:
    words = (await visitor.call("GET", "/api/words", headers={})).json()
    assert set(words["numbers"]) == set(QUESTIONS["country"].values) == set(words["countries"])
    assert words["here"]["emergency"] == catalog().tree("safety.numbers.us")["emergency"]
    assert words["clinic"]["name"]


def test_every_move_a_patient_can_tap_has_its_intent() -> None:
    import yaml

    from plateau.channels import COMMANDS
    from plateau.server._turns import INTENTS

    domain = yaml.safe_load(Path("domain.yml").read_text(encoding="utf-8"))
    assert set(INTENTS.values()) <= {next(iter(intent)) for intent in domain["intents"]}
    # These fill slots as an answer does.
    assert set(COMMANDS) - set(INTENTS) == {"skip", "dont_know", "confirm", "share"}


@pytest.mark.parametrize(("hours", "taken"), [(0, True), (11, True), (13, False), (-1, True), (-48, True)])
def test_a_token_ends_by_its_age_and_a_clock_that_was_set_back_shuts_nobody_out(
    monkeypatch: pytest.MonkeyPatch, hours: int, taken: bool
) -> None:
    sessions = Sessions(SECRET)
    token = sessions.issue("web-x")
    later = datetime.now(UTC) + timedelta(hours=hours)
    monkeypatch.setattr("plateau.server._sessions.datetime", SimpleNamespace(now=lambda zone: later))
    with nullcontext() if taken else pytest.raises(BadToken):
        assert sessions.conversation(token) == "web-x"
