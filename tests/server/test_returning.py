"""From a plan to its pages, and back again with a code or the clinic's token; over HTTP, with the trained model."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import update

from plateau.content import SettingError
from plateau.protocol import QUESTIONS
from plateau.server import create_app
from plateau.server._codes import BadCode, clinic_patient, new_code, plain_code
from plateau.server._settings import Settings
from plateau.store import Repository
from plateau.store._models import Link, Reevaluation

New = Callable[..., Awaitable[Any]]
in_one_loop = pytest.mark.asyncio(loop_scope="session")

KEY = "k" * 40
STAIRS = "carry the shopping up the stairs"
FIRST: dict[str, Any] = {
    "age_band": "40_49",
    "pregnancy": "no",
    "body_region": "knee",
    "side": "left",
    "diagnosis_given": "a sprain",
    "diagnosis_fit": "fits",
    "onset": "injury",
    "weeks_with_problem": 20,
    "recent_surgery_weeks": "none",
    "weeks_in_pt": 10,
    "sessions": 14,
    "progress": "same",
    "activities": [{"activity": STAIRS, "score": 3}],
    "better": "standing",
    "worse": "going down",
    "goal": "hike with my son",
    "treatment_type": ["exercises"],
    "hep_days_prescribed": 5,
    "hep_days_done": 5,
    "session_response": ["none"],
    "effort": "about_right",
    "unchanged_weeks": 2,
    "sleep": "good",
    "nutrition": "good",
    "stress": "low",
    "smoking": "no",
    "mood": "good",
    "confidence": "high",
    "conditions": ["none"],
    "medicines": ["none"],
    "pain_now": 6,
    "pain_worst": 8,
    "pain_start": 7,
    "pain_quality": ["aching"],
    "pain_spread": "no",
    "night_pain": "no",
    "mechanical": ["none"],
    "tried": ["xray"],
    "told_therapist": "yes",
}
BEGIN = {"for_whom": "self", "country": "us", "consent": "yes"}
SAFE = {name: ["none"] for name, question in QUESTIONS.items() if question.kind == "flags" and not question.single}


async def walk(patient: Any, answers: Mapping[str, Any]) -> list[str]:
    """Answer screen by screen until the plan; return the questions that were asked."""
    asked: list[str] = []
    while patient.turn["screen"]["kind"] != "plan":
        if patient.turn["screen"]["kind"] == "review":
            await patient.send(command={"name": "confirm"})
            continue
        shown = [question["id"] for question in patient.turn["screen"]["questions"]]
        assert shown and not set(shown) & set(asked[-10:]), f"{shown} asked twice"
        asked += shown
        await patient.send(answers={name: {**BEGIN, **SAFE, **answers}[name] for name in shown})
    return asked


async def handout(patient: Any) -> dict[str, Any]:
    response = await patient.call("POST", "/api/handout")
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def back(someone: Any, **beginning: Any) -> Any:
    """Begin a new conversation as someone known; returns the response."""
    response = await someone.call("POST", "/api/session", beginning, headers={})
    if response.status_code == 201:
        someone.token, someone.turn = response.json()["token"], response.json()["turn"]
    return response


@in_one_loop
async def test_pages_stand_behind_links_that_nobody_can_guess(patient: New) -> None:
    treated = await patient()
    await walk(treated, FIRST)
    made, again = await handout(treated), await handout(treated)
    links = [made[name].split("/")[2] for name in ("plan", "summary")]
    assert all(len(link) >= 43 for link in links) and len({*links, again["plan"].split("/")[2]}) == 3
    kinds = {
        "plan": "text/html; charset=utf-8",
        "plan_pdf": "application/pdf",
        "calendar": "text/calendar; charset=utf-8",
        "summary": "text/html; charset=utf-8",
        "summary_pdf": "application/pdf",
        "fhir": "application/fhir+json",
    }
    for name, kind in kinds.items():
        response = await treated.call("GET", made[name], headers={})
        assert (response.status_code, response.headers["content-type"]) == (200, kind), name
        assert response.headers["cache-control"] == "no-store"
    # Neither link opens the other page, and what is stored opens none.
    plan, summary = links
    for path in (f"/plan/{summary}", f"/summary/{plan}", "/plan/x", f"/plan/{plan[:-1]}", f"/plan/{plan}/x"):
        assert (await treated.call("GET", path, headers={})).status_code == 404, path
    stored = json.dumps(treated.rows(), default=str)
    assert not any(secret in stored for secret in (*links, made["code"], made["code"].replace("-", "")))
    # Each page that opened is on record, and no link that did not.
    opened = [entry["detail"]["page"] for entry in treated.rows()["audit"] if entry["kind"] == "link_opened"]
    assert sorted(opened) == ["plan"] * 3 + ["summary"] * 3


@in_one_loop
async def test_the_pictures_of_the_page_come_for_the_chat_too(patient: New) -> None:
    treated = await patient()
    await walk(treated, FIRST)
    response = await treated.call("GET", "/api/pictures")
    shown = response.json()["pictures"]
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert [picture["id"] for picture in shown] == ["pain", "function", "adherence", "body"]
    page = (await treated.call("GET", (await handout(treated))["plan"], headers={})).text
    for picture in shown:
        assert set(picture) == {"id", "title", "says", "alt", "svg"}
        assert picture["svg"].startswith("<svg") and picture["svg"] in page
        assert picture["title"] and picture["alt"]
    assert page.count("<figure") == len(shown)


@in_one_loop
@pytest.mark.parametrize(
    ("where", "status", "code"),
    [("no token", 401, "bad_token"), ("no plan", 404, "no_plan"), ("too often", 429, "too_many")],
)
async def test_pictures_that_cannot_be_had(
    patient: New, monkeypatch: pytest.MonkeyPatch, where: str, status: int, code: str
) -> None:
    treated = await patient("you")
    if where == "too often":
        monkeypatch.setattr(treated.app.state.gateway.turn_rate, "allows", lambda key: False)
    response = await treated.call("GET", "/api/pictures", headers={} if where == "no token" else None)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


@in_one_loop
async def test_where_help_comes_first_there_are_no_pictures(patient: New) -> None:
    treated = await patient()
    await walk(treated, FIRST)
    await treated.send(text="I have crushing chest pain right now")
    assert treated.turn["stage"] == "emergency"
    assert (await treated.call("GET", "/api/pictures")).json() == {"pictures": []}


@in_one_loop
async def test_a_page_says_what_the_patient_said_and_runs_nothing_of_it(patient: New) -> None:
    treated = await patient()
    nasty = {"goal": "<script>alert(1)</script> & {{ 7*7 }} #import"}
    await walk(treated, FIRST | nasty)
    made = await handout(treated)
    page = (await treated.call("GET", made["plan"], headers={})).text
    assert STAIRS in page
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page and "{{ 7*7 }}" in page
    assert not re.search(r" style=|<style|https?://(?!clinic\.example|www\.w3\.org)", page)
    assert (await treated.call("GET", made["plan_pdf"], headers={})).content.startswith(b"%PDF")


@in_one_loop
async def test_a_link_ends_and_an_erased_conversation_ends_its_links(patient: New) -> None:
    treated = await patient()
    await walk(treated, FIRST)
    made = await handout(treated)
    with treated.app.state.gateway.database.transaction() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(Link).values(expires_at=past), execution_options={"synchronize_session": False})
    gone = await treated.call("GET", made["plan"], headers={})
    assert (gone.status_code, "This link has ended" in gone.text) == (404, True)
    made = await handout(treated)
    assert (await treated.call("POST", "/api/forget")).status_code == 200
    for name in ("plan", "summary"):
        assert (await treated.call("GET", made[name], headers={})).status_code == 404
    assert (await back(treated, code=made["code"])).json()["error"]["code"] == "bad_code"


@in_one_loop
async def test_without_a_plan_there_is_no_page(patient: New) -> None:
    fresh = await patient("you")
    response = await fresh.call("POST", "/api/handout")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "no_plan")
    assert (await fresh.call("POST", "/api/handout", headers={})).status_code == 401


@in_one_loop
async def test_who_comes_back_with_the_code_goes_on_from_there(patient: New) -> None:
    returning = await patient()
    await walk(returning, FIRST)
    assert returning.assessment()["primary"] == "change_modality"
    made = await handout(returning)
    # Eight weeks pass.
    with returning.app.state.gateway.database.transaction() as session:
        then = datetime.now(UTC) - timedelta(weeks=8)
        mine = Reevaluation.conversation_id == returning.conversation
        session.execute(
            update(Reevaluation).where(mine).values(finished_at=then), execution_options={"synchronize_session": False}
        )
    typed = made["code"].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    before = [entry["kind"] for entry in returning.rows()["audit"]]
    visit = returning.conversation
    assert (await back(returning, code=typed)).status_code == 201
    with returning.app.state.gateway.database.reading() as session:
        now_recorded = [entry["kind"] for entry in Repository(session).export(visit)["audit"]]
    assert now_recorded == [*before, "code_used"]
    await returning.send(answers={"for_whom": "self", "country": "us"})
    assert "agreed" not in json.dumps(returning.turn["messages"]), "nothing is told before consent"
    await returning.send(answers={"consent": "yes"})
    welcome = next(message["text"] for message in returning.turn["messages"] if message["id"] == "plan.said.welcome")
    assert "another kind of treatment" in welcome
    now = FIRST | {
        "followed": ["change_modality"],
        "activities": [{"activity": STAIRS, "score": 4}],
        "tried": ["xray", "manual_therapy"],
    }
    asked = await walk(returning, now)
    carried = {"age_band", "body_region", "weeks_in_pt", "onset", "diagnosis_given", "pain_start", "smoking"}
    assert (carried | {"sleep"}) & set(asked) == set()
    assert {"safety_now", "followed", "progress", "activities", "pain_now", "tried", "mood"} <= set(asked)
    # What protects a patient is never taken for granted: it may have changed.
    assert {"pregnancy", "recent_surgery_weeks", "conditions", "medicines", "sessions"} <= set(asked)
    assert len(asked) < 30
    answers = returning.answers()
    assert (answers["weeks_in_pt"], answers["pain_start"]) == (18, 7)
    assert returning.assessment()["primary"] == "second_opinion"
    summary = (await returning.call("GET", (await handout(returning))["summary"], headers={})).text
    assert "8 weeks; followed: Ask about a different kind of treatment" in summary
    page = (await returning.call("GET", (await handout(returning))["plan"], headers={})).text
    assert f"{STAIRS}: from 3 to 4 out of 10" in page


@pytest.mark.parametrize("key", ["x", "k" * 31])
def test_a_key_that_can_be_guessed_stops_the_start(key: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"PLATEAU_CLINIC_KEY: has \d+ bytes; allowed: at least 32"):
        create_app(Settings(data=str(tmp_path), clinic_key=key))


async def returned(patient: New) -> Any:
    """Someone who has had one visit and has come back, consent given."""
    someone = await patient()
    await walk(someone, FIRST)
    await back(someone, code=(await handout(someone))["code"])
    await someone.send(answers={"for_whom": "self", "country": "us"})
    await someone.send(answers={"consent": "yes"})
    return someone


@in_one_loop
async def test_who_starts_over_is_still_compared_with_the_last_visit(patient: New) -> None:
    someone = await returned(patient)
    await someone.send(command={"name": "restart"})
    asked = await walk(someone, FIRST | {"followed": ["none"]})
    assert {"followed", "age_band"} <= set(asked)
    assert "plan.said.welcome" not in json.dumps(someone.turn)


@in_one_loop
async def test_who_declines_on_coming_back_leaves_the_last_visit_as_it_was(patient: New) -> None:
    someone = await patient()
    await walk(someone, FIRST)
    first, made = someone.token, await handout(someone)
    await back(someone, code=made["code"])
    await someone.send(answers={"for_whom": "self", "country": "us"})
    await someone.send(answers={"consent": "no"})
    assert not re.search(r"previous|shopping", json.dumps(someone.rows(), default=str))
    someone.token = first
    assert someone.answers()["goal"] == FIRST["goal"]


@in_one_loop
async def test_deleting_the_answers_deletes_every_visit(patient: New) -> None:
    someone = await patient()
    await walk(someone, FIRST)
    first, made = someone.token, await handout(someone)
    await back(someone, code=made["code"])
    await someone.send(answers={"for_whom": "self", "country": "us"})
    await someone.send(answers={"consent": "yes"})
    assert (await someone.call("POST", "/api/forget")).status_code == 200
    someone.token = first
    assert not any(someone.rows().values())
    assert (await back(someone, code=made["code"])).status_code == 404


@in_one_loop
async def test_a_visit_that_an_emergency_broke_off_is_not_what_is_gone_on_from(patient: New) -> None:
    someone = await returned(patient)
    await someone.send(text="I have crushing chest pain right now")
    assert someone.turn["stage"] == "emergency"
    made = await handout(someone)
    assert made["calendar"] is None
    assert (await someone.call("GET", f"{made['plan']}/calendar", headers={})).status_code == 404
    page = (await someone.call("GET", made["plan"], headers={})).text
    assert "After you have been seen" in page and "calendar" not in page
    await back(someone, code=made["code"])
    await someone.send(answers={"for_whom": "self", "country": "us"})
    await someone.send(answers={"consent": "yes"})
    welcome = next(message["text"] for message in someone.turn["messages"] if message["id"] == "plan.said.welcome")
    assert "another kind of treatment" in welcome


@in_one_loop
async def test_a_red_flag_that_nobody_has_settled_goes_on_at_the_next_visit(patient: New) -> None:
    someone = await returned(patient)
    await someone.send(text="since yesterday one calf is swollen, hot and sore")
    await walk(someone, FIRST | {"followed": ["none"]})
    assert someone.assessment()["tier"] == "same_day"
    await back(someone, code=(await handout(someone))["code"])
    await someone.send(answers={"for_whom": "self", "country": "us"})
    await someone.send(answers={"consent": "yes"})
    assert {"plan.said.welcome", "plan.said.still_open"} <= set(someone.heard)
    await someone.send(text="yes the doctor checked it, it was nothing")
    asked = await walk(someone, FIRST | {"followed": ["none"]})
    assert "followed" in asked, "gone on from the last full visit"
    assert someone.assessment()["tier"] == "routine"
    flags = {flag["id"]: flag["state"] for flag in someone.answers()["red_flags"]}
    assert flags["dvt"] == "checked"


@in_one_loop
async def test_a_contradiction_that_is_said_again_is_meant(patient: New) -> None:
    puzzled = await patient()
    answers = {**BEGIN, **SAFE, **FIRST, "pain_now": 8, "pain_worst": 5}
    while "clash_pain" not in puzzled.asked:
        await puzzled.send(answers={name: answers[name] for name in puzzled.asked})
    await puzzled.send(answers={"clash_pain": "pain_now"})
    await puzzled.send(answers={"pain_now": 8})
    assert puzzled.turn["screen"]["kind"] == "review"


@in_one_loop
async def test_an_old_code_ends_with_the_new_one(patient: New) -> None:
    treated = await patient()
    await walk(treated, FIRST)
    first, second = (await handout(treated))["code"], (await handout(treated))["code"]
    assert (await back(treated, code=first)).status_code == 404
    assert (await back(treated, code=second)).status_code == 201


@pytest.mark.parametrize(
    ("beginning", "status", "code"),
    [
        ({"code": "AAAA-AAAA-AAAA"}, 404, "bad_code"),
        ({"code": "hello"}, 404, "bad_code"),
        ({"code": ""}, 400, "bad_field"),
        ({"code": 7}, 400, "bad_field"),
        ({"code": "x" * 3000}, 400, "bad_field"),
        ({"name": "Ann"}, 400, "bad_field"),
        ({"code": "AAAA-AAAA-AAAA", "patient": "x"}, 400, "bad_message"),
        ({"patient": "x.y.z"}, 404, "bad_code"),
        ([], 400, "bad_json"),
        (b"{oops", 400, "bad_json"),
    ],
    ids=str,
)
@in_one_loop
async def test_a_beginning_that_cannot_be_taken(visitor: Any, beginning: Any, status: int, code: str) -> None:
    response = await visitor.call("POST", "/api/session", beginning, headers={})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def token(key: str = KEY, **changes: Any) -> str:
    claims = {"sub": "MRN-0042", "aud": "plateau", "exp": time.time() + 3600} | changes
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm="HS256")


@pytest.mark.parametrize(
    ("signed", "taken"),
    [
        (token(), True),
        (token(key="x" * 40), False),
        (token(exp=time.time() - 60), False),
        (token(aud="other"), False),
        (token(exp=None), False),
        (token(sub=None), False),
        (token(sub=" "), False),
        ("\ud800.a.b", False),
        (jwt.encode({"sub": "MRN-0042", "aud": "plateau", "exp": time.time() + 3600}, None, algorithm="none"), False),
    ],
    ids=[
        "sound",
        "another key",
        "too old",
        "for another",
        "without end",
        "without patient",
        "blank patient",
        "no text",
        "unsigned",
    ],
)
def test_the_clinics_token_is_checked(signed: str, taken: bool) -> None:
    if taken:
        found = clinic_patient(signed, KEY, "secret")
        assert found.startswith("clinic-") and "MRN" not in found
        assert found == clinic_patient(token(exp=time.time() + 99), KEY, "secret")
        return
    with pytest.raises(BadCode):
        clinic_patient(signed, KEY, "secret")


@in_one_loop
async def test_the_clinics_patient_is_known_without_a_code(visitor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = visitor.app.state.gateway
    monkeypatch.setattr(gateway, "clinic_key", KEY)
    assert (await back(visitor, patient=token(sub="MRN-7"))).status_code == 201
    await walk(visitor, FIRST)
    assert (await back(visitor, patient=token(sub="MRN-7"))).status_code == 201
    await visitor.send(answers={"for_whom": "self", "country": "us"})
    await visitor.send(answers={"consent": "yes"})
    assert "plan.said.welcome" in visitor.heard
    assert (await back(visitor, patient=token(sub="MRN-8"))).status_code == 201
    await visitor.send(answers={"for_whom": "self", "country": "us"})
    await visitor.send(answers={"consent": "yes"})
    assert "plan.said.welcome" not in visitor.heard


@pytest.mark.parametrize("typed", ["7K3M-9QTA-2XHB", "7k3m 9qta 2xhb", "7K3M9QTA2XHB", " 7k3m-9qta-2xhb "])
def test_a_code_may_be_typed_in_any_way(typed: str) -> None:
    assert plain_code(typed) == "7K3M9QTA2XHB"


def test_codes_are_drawn_anew() -> None:
    codes = {new_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert all(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)


@in_one_loop
async def test_what_does_not_fit_together_is_asked_about_before_the_plan(patient: New) -> None:
    puzzled = await patient()
    answers = {**BEGIN, **SAFE, **FIRST, "pain_now": 8, "pain_worst": 5}
    while "clash_pain" not in puzzled.asked:
        await puzzled.send(answers={name: answers[name] for name in puzzled.asked})
    question = puzzled.turn["screen"]["questions"][0]
    assert "8" in question["text"] and "5" in question["text"]
    await puzzled.send(text="the worst one is wrong")
    assert puzzled.asked == ["pain_worst"]
    await puzzled.send(answers={"pain_worst": 9})
    assert puzzled.turn["screen"]["kind"] == "review"


@in_one_loop
async def test_what_may_put_someone_in_danger_at_home_is_on_no_page(patient: New) -> None:
    unsafe = await patient()
    await walk(unsafe, FIRST)
    await unsafe.send(text="my husband hits me sometimes")
    assert "safety.abuse" in unsafe.heard
    await walk(unsafe, FIRST)
    assert {"id": "abuse", "tier": "same_day"}.items() <= unsafe.answers()["red_flags"][0].items()
    assert unsafe.assessment()["tier"] == "same_day"
    made = await handout(unsafe)
    for name in ("plan", "summary", "fhir"):
        response = await unsafe.call("GET", made[name], headers={})
        page = response.text.lower()
        if name == "fhir":
            # Its code system lists every red flag there is; what counts is what the patient's answers hold.
            entries = [entry["resource"] for entry in response.json()["entry"]]
            own = ("QuestionnaireResponse", "Observation")
            page = json.dumps([entry for entry in entries if entry["resourceType"] in own]).lower()
        hints = "abuse|not safe|deserve|in private" + ("" if name == "fhir" else "|be seen today|same day")
        assert not re.search(hints, page), name
    assert "kind of treatment" in (await unsafe.call("GET", made["plan"], headers={})).text.lower()
