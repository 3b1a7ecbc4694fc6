"""A person: who at the clinic is told, what the patient is told, and what is written to and fro."""

from __future__ import annotations

import itertools
import re
from typing import Any

import httpx
import pytest
from phones import House, Texter
from standins import Fault
from test_sms_talk import TYPED

from plateau.cli._scenario import answer_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

_people = itertools.count(1)
SAFE = ("1", "1", "1", "0", "0", "0", "0")


async def settled_in(home: House) -> Texter:
    """Somebody who has agreed and passed the safety check."""
    me = Texter(home, number=f"+1500556{next(_people):04}")
    await me.say("hi")
    for text in SAFE:
        await me.say(text)
    assert me.asked == "age_band"
    return me


async def finished(home: House) -> Texter:
    """Somebody with a plan."""
    me = Texter(home, number=f"+1500556{next(_people):04}")
    await me.say("hi")
    while me.asked != "plan":
        await me.say(TYPED[str(me.asked)])
    return me


def staff_link(home: House) -> str:
    """The path of the staff's page, as an alert has it."""
    link, _ = home.gateway.staff_links.make()
    return str(link).removeprefix(home.gateway.clinic.public_url)


async def deliver(home: House) -> None:
    await home.gateway.deliver()


def alerts(home: House) -> list[dict[str, Any]]:
    return [one for one in home.staff["webhook"].taken if "link" in one]


async def test_who_asks_for_a_person_is_told_what_happens_and_the_staff_is_told(home: House) -> None:
    me = await settled_in(home)
    before = len(alerts(home)), len(home.staff["slack"].taken)
    texts = await me.say("can i talk to a real person")
    await deliver(home)
    assert any("within one working day" in text and home.gateway.clinic.phone in text for text in texts)
    told = alerts(home)[before[0] :]
    assert [(one["kind"], one["urgency"]) for one in told] == [("person", 1)]
    assert len(home.staff["slack"].taken) == before[1] + 1
    assert me.asked == "age_band", "the place is kept"


async def test_an_alert_says_nothing_of_the_patient(home: House) -> None:
    me = await settled_in(home)
    await me.say("my whole leg has gone numb and i cant hold my pee")
    await deliver(home)
    shown = repr(home.staff["slack"].taken) + repr([{**one, "link": ""} for one in alerts(home)])
    assert alerts(home)[-1]["kind"] == "red_flag" and alerts(home)[-1]["urgency"] == 0
    for word in ("numb", "leg", "pee", "cauda", me.number, me.conversation):
        assert word not in shown


async def test_before_consent_nobody_is_told(home: House) -> None:
    me = Texter(home, number=f"+1500556{next(_people):04}")
    await me.say("hi")
    before = len(home.notices())
    texts = await me.say("i want to talk to a person")
    assert any(home.gateway.clinic.phone in text for text in texts)
    assert len(home.notices()) == before


async def test_two_failed_readings_are_told(home: House) -> None:
    me = await settled_in(home)
    for _ in range(2):
        texts = await me.say("qwrtz plumf grobnik")
    assert [one.kind for one in home.notices() if one.conversation_id == me.conversation] == ["unread"]
    assert any("we are stuck" in text for text in texts)


async def test_the_list_shows_the_most_urgent_first_and_what_was_opened(home: House) -> None:
    me = await settled_in(home)
    await me.say("talk to a person please")
    listed = await home.client.get(staff_link(home))
    assert listed.status_code == 200
    assert listed.headers["cache-control"] == "no-store"
    assert "form-action 'self'" in listed.headers["content-security-policy"]
    urgencies = [int(found) for found in re.findall(r'class="unopened urgency-(\d)"', listed.text)]
    assert urgencies == sorted(urgencies)
    mine = next(one for one in home.notices() if one.conversation_id == me.conversation)
    page = await home.client.get(f"{staff_link(home)}/{mine.id}")
    assert page.status_code == 200 and me.number in page.text
    opened = next(one for one in home.notices() if one.id == mine.id)
    assert opened.opened_at is not None
    with home.gateway.database.reading() as session:
        from plateau.store import Repository

        kinds = [entry["kind"] for entry in Repository(session).export(me.conversation)["audit"]]
    assert "staff_opened" in kinds


async def test_the_page_of_a_warning_sign_says_which_in_the_patients_words(home: House) -> None:
    me = await settled_in(home)
    await me.say("my calf is twice its size, hot and red")
    mine = next(one for one in home.notices() if one.conversation_id == me.conversation)
    page = await home.client.get(f"{staff_link(home)}/{mine.id}")
    assert mine.kind == "red_flag" and "calf is twice" in page.text


@pytest.mark.parametrize("change", ["cut", "changed", "nothing", "a patient's"])
async def test_a_link_that_is_not_ours_opens_nothing(home: House, change: str) -> None:
    link = staff_link(home)
    token = link.rpartition("/")[2]
    wrong = {
        "cut": token[:-3],
        "changed": token[:-3] + "abc",
        "nothing": "x",
        "a patient's": home.gateway.sessions.issue("sms-1"),
    }[change]
    for path in (f"/staff/{wrong}", f"/staff/{wrong}/1", f"/staff/{wrong}/1/summary"):
        assert (await home.client.get(path)).status_code == 404
    assert (await home.client.post(f"/staff/{wrong}/1/reply", content=b"text=hi")).status_code == 404


async def write(home: House, notice: int, text: str, identifier: str = "0" * 32) -> httpx.Response:
    path = f"{staff_link(home)}/{notice}/reply"
    response = await home.client.post(
        path, data={"id": identifier, "text": text}, headers={"origin": home.gateway.clinic.public_url}
    )
    await home.settled()
    return response


async def test_what_the_staff_writes_reaches_the_phone_and_pauses_the_questions(home: House) -> None:
    me = await settled_in(home)
    await me.say("i need a human")
    mine = next(one for one in home.notices() if one.conversation_id == me.conversation)
    server = home.platforms["sms"]
    before = len(server.taken)
    response = await write(home, mine.id, "Hello, Sam here. Can you come on Monday at 9?")
    assert response.status_code == 303
    (sent,) = [one.text for one in server.taken[before:]]
    assert "Sam here" in sent and home.gateway.clinic.name in sent
    (passed,) = await me.say("Monday is fine")
    assert "passed this on" in passed
    told = [one for one in home.notices() if one.conversation_id == me.conversation and one.kind == "message"]
    assert [one.content["text"] for one in told] == ["Monday is fine"]
    page = await home.client.get(f"{staff_link(home)}/{told[0].id}")
    assert "Monday is fine" in page.text and "Sam here" in page.text
    texts = await me.say("continue")
    assert any("with you again" in text for text in texts)
    assert me.asked == "age_band"
    await me.say("43")
    assert me.asked == "pregnancy"


async def test_danger_told_to_the_staff_is_answered_at_once(home: House) -> None:
    me = await settled_in(home)
    await me.say("i need a human")
    mine = next(one for one in home.notices() if one.conversation_id == me.conversation)
    await write(home, mine.id, "How are you?")
    texts = await me.say("crushing chest pain going down my left arm")
    assert "911" in texts[0]
    assert home.last(me.conversation)["screen"]["kind"] == "emergency"


async def test_a_reply_sent_twice_is_one(home: House) -> None:
    me = await settled_in(home)
    await me.say("i need a human")
    mine = next(one for one in home.notices() if one.conversation_id == me.conversation)
    before = len(home.platforms["sms"].taken)
    for _ in range(2):
        assert (await write(home, mine.id, "Hello", "a" * 32)).status_code == 303
    assert len(home.platforms["sms"].taken) == before + 1


@pytest.mark.parametrize("text", ["", "   ", "x" * 1001], ids=["nothing", "blanks", "too long"])
async def test_a_reply_that_cannot_be_sent_is_said_and_kept(home: House, text: str) -> None:
    me = await settled_in(home)
    await me.say("i need a human")
    mine = next(one for one in home.notices() if one.conversation_id == me.conversation)
    before = len(home.platforms["sms"].taken)
    response = await write(home, mine.id, text)
    assert response.status_code == 400 and "1 to 1000" in response.text
    assert text.strip() in response.text
    assert len(home.platforms["sms"].taken) == before


async def test_the_summary_goes_to_the_clinic_when_the_patient_says_so_and_only_then(home: House) -> None:
    me = await finished(home)
    before = len(alerts(home))
    await deliver(home)
    assert [one for one in alerts(home)[before:] if one["kind"] == "summary"] == []
    texts = await me.say("send my summary")
    await deliver(home)
    assert any("has gone to" in text for text in texts)
    (sent,) = [one for one in alerts(home)[before:] if one["kind"] == "summary"]
    assert sent["fhir"]["resourceType"] == "Bundle" and sent["tier"] == "routine"
    mine = next(one for one in home.notices() if one.conversation_id == me.conversation and one.kind == "summary")
    page = await home.client.get(f"{staff_link(home)}/{mine.id}/summary")
    assert page.status_code == 200 and "runner" in page.text
    pdf = await home.client.get(f"{staff_link(home)}/{mine.id}/pdf")
    assert pdf.content.startswith(b"%PDF")


async def test_what_the_clinic_did_not_take_is_tried_again_and_is_visible(
    home: House, capsys: pytest.CaptureFixture[str]
) -> None:
    me = await settled_in(home)
    home.staff["slack"].fail(Fault.status(500), Fault.status(500))
    home.staff["webhook"].fail(Fault.status(503))
    await me.say("talk to someone")
    await deliver(home)
    waiting = [letter for letter in home.letters("waiting") if letter[0] == "alert"]
    assert sorted(target for _, target, _ in waiting) == ["staff_slack", "staff_webhook"]
    before = len(alerts(home))
    for _ in range(3):
        await pass_time(home)
        await deliver(home)
    assert home.letters("waiting") == []
    assert len(alerts(home)) == before + 1


async def pass_time(home: House) -> None:
    """Have all letters be due."""
    with home.gateway.database.transaction() as session:
        session.execute("UPDATE outbox SET due_at = '2026-01-01 00:00:00.000000' WHERE state = 'waiting'")


async def web_patient(home: House) -> tuple[Any, dict[str, Any]]:
    """Somebody on the web page, with a plan; returns how to send, and the latest turn."""
    begun = (await home.client.post("/api/session")).json()
    headers = {"Authorization": f"Bearer {begun['token']}"}
    numbers = itertools.count(1)

    async def send(**message: Any) -> dict[str, Any]:
        body = {"id": f"w{next(numbers)}", **message}
        response = await home.client.post("/api/turn", json=body, headers=headers)
        assert response.status_code == 200, response.text
        return dict(response.json())

    turn = begun["turn"]
    while turn["screen"]["kind"] != "plan":
        if turn["screen"]["kind"] == "review":
            turn = await send(command={"name": "confirm"})
            continue
        answers = {one["id"]: answer_for(one["id"], {"consent": "yes"}) for one in turn["screen"]["questions"]}
        turn = await send(answers=answers)
    return send, turn


async def test_on_the_web_the_summary_is_sent_by_a_button_of_the_plan(home: House) -> None:
    send, turn = await web_patient(home)
    assert "share" in turn["screen"]["commands"]
    before = len(alerts(home))
    told = await send(command={"name": "share"})
    await deliver(home)
    assert [message["id"] for message in told["messages"]] == ["staff.shared"]
    assert told["screen"]["kind"] == "plan"
    assert [one["kind"] for one in alerts(home)[before:]] == ["summary"]


async def test_on_the_web_the_staffs_words_are_there_when_the_patient_comes_back(home: House) -> None:
    send, _ = await web_patient(home)
    await send(text="i want to talk to someone")
    mine = next(one for one in home.notices() if one.kind == "person" and one.conversation_id.startswith("web-"))
    page = await home.client.get(f"{staff_link(home)}/{mine.id}")
    assert "when they next open it" in page.text
    await write(home, mine.id, "Please call us tomorrow.")
    last = home.last(mine.conversation_id)
    assert "Please call us tomorrow." in last["messages"][0]["text"]
    assert last["screen"]["commands"] == ["resume"]
    told = await send(text="ok thank you")
    assert [message["id"] for message in told["messages"]] == ["staff.passed_on"]
    told = await send(command={"name": "resume"})
    assert told["screen"]["kind"] == "plan"


async def test_a_plan_that_is_not_there_cannot_be_sent(home: House) -> None:
    begun = (await home.client.post("/api/session")).json()
    headers = {"Authorization": f"Bearer {begun['token']}"}
    before = len(home.notices())
    body = {"id": "s1", "command": {"name": "share"}}
    turn = (await home.client.post("/api/turn", json=body, headers=headers)).json()
    assert [message["id"] for message in turn["messages"]] == ["staff.nothing_to_share"]
    assert len(home.notices()) == before
