"""Nobody sees or changes what is another's: every endpoint with every credential of somebody else, and with none."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from interview import finish

from plateau.content import SettingError
from plateau.server._codes import ALL_WRONG_CODES, TOKEN_SECONDS, WRONG_CODES, BadCode, Guesses, clinic_patient, digest
from plateau.server._sessions import Sessions, checked_secret, kept_secret

New = Callable[..., Awaitable[Any]]
Served = tuple[httpx.AsyncClient, Any]
in_one_loop = pytest.mark.asyncio(loop_scope="session")

KEY = "k" * 40
# What the other patient said; it must come back to nobody else.
SECRETS = ("zebrafinch", "quokka walks", "narwhal")


class Two:
    """One who pries, and one with a plan, links and a code."""

    def __init__(self, mine: Any, theirs: Any, my_pages: dict[str, Any], their_pages: dict[str, Any]) -> None:
        self.mine, self.theirs, self.my_pages, self.their_pages = mine, theirs, my_pages, their_pages
        self.secret = theirs.app.state.gateway.secret


@pytest.fixture(scope="module")
def kept() -> dict[str, Two]:
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def two(patient: New, kept: dict[str, Two]) -> Two:
    """The same two for every test of this file."""
    if "two" in kept:
        return kept["two"]
    mine, theirs = await patient(), await patient()
    await finish(mine)
    await finish(theirs, goal=f"{SECRETS[0]} again", better=SECRETS[1], diagnosis_given=SECRETS[2])
    pages = [(await someone.call("POST", "/api/handout")).json() for someone in (mine, theirs)]
    return kept.setdefault("two", Two(mine, theirs, *pages))


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


def link(pages: dict[str, Any], kind: str) -> str:
    return str(pages[kind]).split("/")[2]


def spliced(head: Any, signature: Any) -> str:
    return str(head.token.split(".")[0] + "." + signature.token.split(".", 1)[1])


# What somebody has who is not that patient; each is tried as a token everywhere.
TOKENS: list[tuple[str, Callable[[Two], str]]] = [
    ("the other's conversation id", lambda two: two.theirs.conversation),
    ("the other's link to the plan", lambda two: link(two.their_pages, "plan")),
    ("the other's code", lambda two: two.their_pages["code"]),
    ("my head, the other's signature", lambda two: spliced(two.mine, two.theirs)),
    ("the other's head, my signature", lambda two: spliced(two.theirs, two.mine)),
    ("signed with a guessed secret", lambda two: Sessions("x" * 48).issue(two.theirs.conversation)),
    ("the clinic's token", lambda two: jwt.encode({"sub": "1", "aud": "plateau", "exp": time.time() + 99}, KEY)),
    ("an unsigned token", lambda two: jwt.encode({"sub": two.theirs.conversation}, None, algorithm="none")),
    ("nothing", lambda two: ""),
]  # fmt: skip
WITH_TOKEN = [("POST", "/api/turn"), ("GET", "/api/resume"), ("POST", "/api/forget"), ("POST", "/api/handout"),
              ("GET", "/api/pictures")]  # fmt: skip


def assert_untold(response: httpx.Response) -> None:
    assert not [word for word in SECRETS if word.encode() in response.content]


@in_one_loop
@pytest.mark.parametrize(("method", "path"), WITH_TOKEN, ids=str)
@pytest.mark.parametrize("credential", [pytest.param(one, id=name) for name, one in TOKENS])
async def test_what_is_not_the_token_opens_nothing(
    two: Two, method: str, path: str, credential: Callable[[Two], str]
) -> None:
    rows, body = two.theirs.rows(), {"id": "pry", "text": "hello"} if path == "/api/turn" else None
    response = await two.mine.call(method, path, body, headers=bearer(credential(two)))
    assert (response.status_code, response.json()["error"]["code"]) == (401, "bad_token")
    assert_untold(response)
    assert two.theirs.rows() == rows


@in_one_loop
@pytest.mark.parametrize(("method", "path"), [row for row in WITH_TOKEN if row[1] != "/api/forget"], ids=str)
async def test_my_token_with_the_others_ids_reaches_only_mine(two: Two, method: str, path: str) -> None:
    """The other's ids in the query, in headers and in the body, where a careless server would look for them."""
    rows, theirs = two.theirs.rows(), two.theirs.conversation
    headers = {**bearer(two.mine.token), "X-Conversation": theirs, "Cookie": f"token={two.theirs.token}"}
    body = {"id": two.theirs.turn["id"], "text": "hello"} if path == "/api/turn" else {"conversation": theirs}
    query = f"?conversation={theirs}&token={two.theirs.token}&sender={theirs}"
    response = await two.mine.call(method, path + query, body, headers=headers)
    assert_untold(response)
    assert two.theirs.rows() == rows


@in_one_loop
@pytest.mark.parametrize("kind", ["plan", "summary"])
@pytest.mark.parametrize("form", ["", "/pdf", "/calendar", "/fhir"])
@pytest.mark.parametrize(
    "guess",
    [
        pytest.param(lambda two, kind: two.theirs.conversation, id="conversation id"),
        pytest.param(lambda two, kind: two.theirs.token, id="token"),
        pytest.param(lambda two, kind: two.their_pages["code"], id="code"),
        pytest.param(lambda two, kind: digest(two.secret, kind, link(two.their_pages, kind)), id="stored digest"),
        pytest.param(lambda two, kind: link(two.their_pages, kind)[:-1], id="cut short"),
        pytest.param(lambda two, kind: link(two.their_pages, kind).swapcase(), id="other case"),
        pytest.param(lambda two, kind: link(two.their_pages, {"plan": "summary"}.get(kind, "plan")), id="other"),
    ],
)  # fmt: skip
async def test_what_is_not_the_link_opens_no_page(two: Two, kind: str, form: str, guess: Any) -> None:
    response = await two.mine.call("GET", f"/{kind}/{guess(two, kind)}{form}", headers=bearer(two.mine.token))
    assert response.status_code == 404
    assert_untold(response)


@in_one_loop
@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(lambda two: {"code": link(two.their_pages, "plan")}, id="link as code"),
        pytest.param(lambda two: {"code": two.their_pages["code"][:-1] + "0"}, id="code with another end"),
        pytest.param(lambda two: {"code": digest(two.secret, "code", two.their_pages["code"])}, id="stored digest"),
        pytest.param(lambda two: {"patient": two.theirs.token}, id="token as the clinic's"),
        pytest.param(lambda two: {"patient": f"patient-{two.theirs.conversation}"}, id="patient id"),
        pytest.param(lambda two: {"conversation": two.theirs.conversation}, id="conversation id"),
    ],
)
async def test_what_is_not_the_code_makes_nobody_known(two: Two, served: Served, beginning: Any) -> None:
    given = beginning(two)
    if given.get("code") == two.their_pages["code"]:
        given["code"] = given["code"][:-1] + "1"
    served[1].state.gateway.guesses = Guesses()
    rows = two.theirs.rows()
    response = await two.mine.call("POST", "/api/session", given, headers={})
    assert response.status_code in (400, 404), response.text
    assert_untold(response)
    assert two.theirs.rows() == rows


@in_one_loop
async def test_their_own_credentials_open_it(two: Two) -> None:
    """The test of the tests above: the words are there for whoever may see them."""
    page = await two.mine.call("GET", two.their_pages["summary"], headers={})
    assert page.status_code == 200 and any(word in page.text for word in SECRETS)
    assert any(word in json.dumps(two.theirs.rows(), default=str) for word in SECRETS)


@in_one_loop
async def test_after_deletion_token_links_and_code_open_nothing(patient: New, served: Served) -> None:
    someone = await patient()
    await finish(someone)
    pages = (await someone.call("POST", "/api/handout")).json()
    assert (await someone.call("POST", "/api/forget")).status_code == 200
    seen = [
        (await someone.call("POST", "/api/turn", {"id": "m", "text": "hello"})).status_code,
        (await someone.call("GET", "/api/resume")).status_code,
        (await someone.call("POST", "/api/handout")).status_code,
        (await someone.call("GET", "/api/pictures")).status_code,
        (await someone.call("GET", pages["plan"])).status_code,
        (await someone.call("GET", pages["fhir"])).status_code,
        (await someone.call("POST", "/api/session", {"code": pages["code"]}, headers={})).status_code,
    ]
    assert seen == [401, 401, 404, 404, 404, 404, 404]


@in_one_loop
@pytest.mark.parametrize(("method", "path"), WITH_TOKEN, ids=str)
async def test_a_cookie_is_no_credential_so_no_other_page_can_use_one(two: Two, method: str, path: str) -> None:
    response = await two.mine.call(method, path, headers={"Cookie": f"token={two.mine.token}; Authorization=Bearer"})
    assert response.status_code == 401
    assert "set-cookie" not in response.headers


# ---------------------------------------------------------------- guessing


def test_who_guesses_codes_is_stopped_and_others_are_not() -> None:
    now = [0.0]
    guesses = Guesses(lambda: now[0])
    for _ in range(WRONG_CODES):
        assert guesses.may("203.0.113.9")
        guesses.missed("203.0.113.9")
    assert not guesses.may("203.0.113.9")
    assert guesses.may("198.51.100.7")
    now[0] = 3600.0
    assert guesses.may("203.0.113.9")


def test_many_addresses_together_are_stopped_too() -> None:
    guesses = Guesses(lambda: 0.0)
    for number in range(ALL_WRONG_CODES):
        assert guesses.may(f"2001:db8::{number:x}")
        guesses.missed(f"2001:db8::{number:x}")
    assert not guesses.may("198.51.100.7")


@in_one_loop
async def test_after_too_many_wrong_codes_even_the_right_one_is_not_looked_at_but_one_can_start_anew(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = two.mine.app.state.gateway
    monkeypatch.setattr(gateway, "guesses", Guesses(lambda: 0.0))
    wrong = [(await two.mine.call("POST", "/api/session", {"code": "0000-0000-0000"}, headers={})).status_code
             for _ in range(WRONG_CODES + 1)]  # fmt: skip
    assert wrong == [404] * WRONG_CODES + [429]
    right = await two.mine.call("POST", "/api/session", {"code": two.their_pages["code"]}, headers={})
    assert (right.status_code, right.json()["error"]["code"]) == (429, "too_many")
    assert (await two.mine.call("POST", "/api/session", headers={})).status_code == 201


def test_a_clinics_token_for_longer_than_a_day_is_refused() -> None:
    def signed(seconds: float) -> str:
        return jwt.encode({"sub": "1", "aud": "plateau", "exp": time.time() + seconds}, KEY)

    assert clinic_patient(signed(TOKEN_SECONDS - 60), KEY, "secret")
    with pytest.raises(BadCode):
        clinic_patient(signed(TOKEN_SECONDS + 60), KEY, "secret")


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
def test_a_secret_that_can_be_guessed_stops_the_start(secret: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"PLATEAU_SECRET.*at least 32"):
        checked_secret(secret)
    (tmp_path / "secret").write_text(secret)
    with pytest.raises(SettingError, match=r"secret.*at least 32"):
        kept_secret(tmp_path)


def test_a_good_secret_is_taken_and_one_made_here_is_its_owners_alone(tmp_path: Path) -> None:
    assert checked_secret("x" * 32) == "x" * 32
    assert kept_secret(tmp_path) == kept_secret(tmp_path)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
