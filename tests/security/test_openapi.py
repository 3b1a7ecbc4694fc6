"""docs/openapi.yml tells the truth: its routes and codes are the code's, and real answers validate against it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from interview import finish
from jsonschema import Draft202012Validator, FormatChecker, RefResolver
from starlette.routing import Mount, Route

from plateau.server._limits import Crowd, Rate

New = Callable[..., Awaitable[Any]]
Served = tuple[httpx.AsyncClient, Any]
in_one_loop = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "openapi.yml").read_text("utf-8"))
TOKEN = "for-this-test-only"
METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")
# Where the code names an error: its own exception, or the answer itself.
CODES = re.compile(r'(?:BadRequest\(\s*|_(?:error|later)\(\s*\d{3},\s*)"([a-z_]+)"')


def plain(path: str) -> str:
    """A route's path without the types of its parameters."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def operations() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every operation described: method, path, and the rest."""
    for path, entry in DESCRIPTION["paths"].items():
        yield from ((method.upper(), path, entry[method]) for method in METHODS if method in entry)


def files_in(pages: Path) -> Iterator[str]:
    """The paths of the pages' own files; the pages themselves have routes."""
    for path in pages.rglob("*"):
        if path.is_file() and path.suffix != ".html":
            yield f"/{path.relative_to(pages)}"


def resolved(part: Any) -> Any:
    while isinstance(part, dict) and "$ref" in part:
        found: Any = DESCRIPTION
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def described(method: str, path: str) -> tuple[str, Mapping[str, Any]]:
    """The operation that a request is of: a path as it stands before one with parameters."""
    for literal in (True, False):
        for verb, template, operation in operations():
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
            if verb == method and ("{" not in template) is literal and re.fullmatch(pattern, path):
                return template, operation
    raise AssertionError(f"{method} {path} is not described")


def problems(response: httpx.Response) -> list[str]:
    """Everything in which a real response differs from its description; empty when it does not."""
    template, operation = described(response.request.method, response.request.url.path)
    where = f"{response.request.method} {template} {response.status_code}"
    if str(response.status_code) not in operation["responses"]:
        return [f"{where}: this status is not described"]
    told = resolved(operation["responses"][str(response.status_code)])
    if missing := [name for name, one in told.get("headers", {}).items() if name not in response.headers]:
        return [f"{where}: the header {missing[0]} is missing"]
    content = told.get("content", {})
    kind = response.headers.get("content-type", "").partition(";")[0]
    if kind not in content:
        return [f"{where}: {kind} is not among {sorted(content)}"] if content or response.content else []
    if "json" not in kind:
        return []
    # The same document under a name, so that its inner references are found.
    resolver = RefResolver("", DESCRIPTION)
    validator = Draft202012Validator(content[kind]["schema"], resolver=resolver, format_checker=FormatChecker())
    return [f"{where}: {error.json_path}: {error.message[:200]}" for error in validator.iter_errors(response.json())]


@pytest.fixture
def watched(served: Served) -> Iterator[list[str]]:
    """What every response of the gateway differs in from the description, collected as they come."""
    found: list[str] = []

    async def look(response: httpx.Response) -> None:
        await response.aread()
        found.extend(problems(response))

    hooks = served[0].event_hooks
    served[0].event_hooks = {**hooks, "response": [look]}
    yield found
    served[0].event_hooks = hooks


# ---------------------------------------------------------------- the same routes, the same codes


def test_the_description_is_of_openapi_and_its_references_lead_somewhere() -> None:
    assert DESCRIPTION["openapi"] == "3.1.0"
    references = re.findall(r'\$ref: "(#[^"]+)"', (ROOT / "docs" / "openapi.yml").read_text("utf-8"))
    assert len(references) > 50
    assert all(resolved({"$ref": reference}) for reference in references)
    named = [operation["operationId"] for _, _, operation in operations()]
    assert len(named) == len(set(named))
    for schema in DESCRIPTION["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@in_one_loop
async def test_the_routes_and_methods_described_are_those_of_the_app(served: Served) -> None:
    app = served[1]
    real = {(verb, plain(one.path)) for one in app.routes if isinstance(one, Route) for verb in one.methods or ()}
    pages = next(one for one in app.routes if isinstance(one, Mount)).app.directory
    real |= {("GET", path) for path in files_in(Path(pages))}
    assert {(verb, path) for verb, path, _ in operations()} == {(verb, path) for verb, path in real if verb != "HEAD"}


def test_the_codes_described_are_those_of_the_code() -> None:
    sources = (ROOT / "plateau" / "server").glob("*.py")
    real = {code for source in sources for code in CODES.findall(source.read_text("utf-8"))}
    told: set[str] = set()
    for response in DESCRIPTION["components"]["responses"].values():
        for content in response.get("content", {}).values():
            for part in content.get("schema", {}).get("allOf", ()):
                code = part.get("properties", {}).get("error", {}).get("properties", {}).get("code", {})
                told |= {*code.get("enum", ()), *([code["const"]] if "const" in code else ())}
    assert told == real
    # The messages that are refused are told in words too.
    refused = DESCRIPTION["components"]["responses"]["Refused"]
    enum = refused["content"]["application/json"]["schema"]["allOf"][1]["properties"]["error"]["properties"]["code"]
    assert refused["description"].partition("Codes: ")[2].split(", ") == enum["enum"]


def test_the_reasons_described_are_those_of_the_code() -> None:
    from plateau.server._ready import REASONS

    assert DESCRIPTION["components"]["schemas"]["Ready"]["properties"]["because"]["enum"] == list(REASONS)


def test_the_moves_described_are_those_of_the_envelope() -> None:
    from plateau.channels import COMMANDS

    schemas = DESCRIPTION["components"]["schemas"]
    assert schemas["Command"]["properties"]["name"]["enum"] == list(COMMANDS)
    assert schemas["Screen"]["properties"]["commands"]["items"]["enum"] == list(COMMANDS)


# ---------------------------------------------------------------- what is really answered


@in_one_loop
async def test_a_whole_interview_is_answered_as_described(
    patient: New, watched: list[str], served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = served[1].state.gateway
    monkeypatch.setattr(gateway, "settings", replace(gateway.settings, metrics_token=TOKEN))
    someone = await patient("start")
    await finish(someone, progress="same", pain_now=6)
    assert someone.turn["screen"]["kind"] == "plan"
    made = (await someone.call("POST", "/api/handout")).json()
    for name in ("plan", "plan_pdf", "calendar", "summary", "summary_pdf", "fhir"):
        assert (await someone.call("GET", made[name], headers={})).status_code == 200
    for path in ("/api/resume", "/api/pictures", "/api/figure", "/api/words", "/health", "/ready", "/", "/demo"):
        assert (await someone.call("GET", path)).status_code == 200
    assert (await someone.call("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
    for path in ("/report.css", "/page.css", "/favicon.ico", "/icons/plateau.svg", "/component/plateau-chat.js"):
        assert (await someone.call("GET", path)).status_code == 200
    for move in ("why", "human", "stop", "resume", "restart", "resume"):
        await someone.post({"command": {"name": move}})
    again = await patient("start")
    assert (await again.call("POST", "/api/session", {"code": made["code"]}, headers={})).status_code == 201
    assert (await someone.call("POST", "/api/forget")).status_code == 200
    assert watched == []


@in_one_loop
async def test_what_goes_wrong_is_answered_as_described(patient: New, watched: list[str]) -> None:
    someone = await patient("safety_now")
    seen = [
        (await someone.post(b"{oops")).status_code,
        (await someone.post(b" " * 20_000)).status_code,
        (await someone.post({"text": "hello", "after": 0})).status_code,
        (await someone.post({"text": "I have crushing chest pain", "id": ""})).status_code,
        (await someone.call("POST", "/api/turn", {"id": "m", "text": "hi"}, headers={})).status_code,
        (await someone.call("POST", "/api/session", {"code": "0000-0000-0000"}, headers={})).status_code,
        (await someone.call("POST", "/api/forget", headers={"Origin": "https://evil.example"})).status_code,
        (await someone.call("POST", "/api/handout")).status_code,
        (await someone.call("GET", "/api/pictures")).status_code,
        (await someone.call("GET", "/plan/nothing")).status_code,
        (await someone.call("GET", "/summary/nothing/fhir")).status_code,
        (await someone.call("GET", "/component/nothing.js")).status_code,
        (await someone.call("GET", "/metrics")).status_code,
    ]
    assert seen == [400, 413, 409, 503, 401, 404, 403, 404, 404, 404, 404, 404, 404]
    await someone.send(text="I have crushing chest pain and I cannot breathe")
    assert someone.turn["screen"]["kind"] == "emergency"
    assert watched == []


@in_one_loop
async def test_who_is_turned_away_is_told_as_described(
    patient: New, watched: list[str], served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone, gateway = await patient("start"), served[1].state.gateway
    gateway.readiness.drain()
    assert (await someone.call("GET", "/ready")).json() == {"ready": False, "because": "draining"}
    monkeypatch.setattr(gateway.readiness, "_draining", False)
    monkeypatch.setattr(gateway, "crowd", Crowd(0))
    assert [
        (response.status_code, response.json()["error"]["code"])
        for response in (
            await someone.call("POST", "/api/session"),
            await someone.post({"text": "hello"}),
            await someone.post({"text": "I have crushing chest pain"}),
        )
    ] == [(503, "busy"), (503, "busy"), (503, "not_saved")]
    nothing = Rate(0, burst=0)
    for name in ("session_rate", "turn_rate", "page_rate"):
        monkeypatch.setattr(gateway, name, nothing)
    seen = [
        (await someone.call("POST", "/api/session")).status_code,
        (await someone.post({"text": "hello"})).status_code,
        (await someone.call("POST", "/api/handout")).status_code,
        (await someone.call("GET", "/plan/nothing")).status_code,
    ]
    assert seen == [429] * 4
    assert watched == []


@in_one_loop
async def test_a_response_that_is_not_as_described_is_noticed(served: Served) -> None:
    request = httpx.Request("GET", "http://plateau/ready")
    turn = httpx.Request("GET", "http://plateau/api/resume")
    wrong = [
        httpx.Response(200, json={"ready": "yes"}, request=request),
        httpx.Response(204, request=request),
        httpx.Response(503, json={"ready": False}, request=request),
        httpx.Response(503, json={"error": {"code": "unavailable", "message": "No."}}, request=turn),
        httpx.Response(200, text="ready", request=request),
        httpx.Response(200, json={"id": "a", "number": 1, "saved": True, "stage": "x", "messages": []}, request=turn),
        httpx.Response(401, json={"error": {"code": "other", "message": "No."}}, request=turn),
    ]
    assert [bool(problems(response)) for response in wrong] == [True] * len(wrong)
