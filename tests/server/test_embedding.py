"""Plateau in a clinic's own pages: who may ask what from where, the component's files, and what a drawing needs."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256, sha384
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.datastructures import Headers

from plateau.content import SettingError
from plateau.protocol import QUESTIONS, opening
from plateau.report import figure
from plateau.server import _component as component
from plateau.server import create_app
from plateau.server._component import Component
from plateau.server._origins import may_post
from plateau.server._settings import Settings

CLINIC = "https://www.clinic.example"
STRANGER = "https://www.stranger.example"
SETTINGS = {
    "name": "Hill & {language} Street",
    "phone": "+44 (1632) 960-001",
    "default_country": "uk",
    "origins": [CLINIC, "http://localhost:8000"],
    "exit_link": "https://www.weather.example/",
}
CODE = b"/* the component */" * 99
PAGE = (
    '<html lang="{language}"><title>{clinic_name}</title><a href="tel:{clinic_tel}">{clinic_phone}</a>'
    '<script src="{component}" integrity="{integrity}"></script>{another} {"json": 1}'
)
Get = Callable[..., httpx.Response]


def build(web: Path, code: bytes = CODE, version: str = "0.2.0") -> str:
    """Put into `web` what the set-up builds, beside two pages; return the built file's name."""
    name = f"plateau-chat-{version}-{sha256(code).hexdigest()[:8]}.js"
    for folder in ("dist", "pages/icons"):
        (web / folder).mkdir(parents=True, exist_ok=True)
    (web / "dist" / name).write_bytes(code)
    write(web, {"version": version, "file": name, "integrity": integrity(code), "bytes": len(code), "gzip": 1})
    for page in ("index", "demo"):
        (web / "pages" / f"{page}.html").write_text(f"{page} {PAGE}", encoding="utf-8")
    (web / "pages" / "icons" / "plateau.svg").write_text("<svg/>", encoding="utf-8")
    return name


def write(web: Path, manifest: Any) -> None:
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    (web / "dist" / "manifest.json").write_text(text, encoding="utf-8")


def integrity(code: bytes) -> str:
    return f"sha384-{base64.b64encode(sha384(code).digest()).decode()}"


@pytest.fixture
def web(tmp_path: Path) -> Path:
    build(tmp_path / "web")
    return tmp_path / "web"


@pytest.fixture
def app(web: Path, tmp_path: Path) -> Iterator[Any]:
    """The gateway of a clinic with web pages of its own; without its model, which nothing here needs."""
    file = tmp_path / "clinic.yml"
    file.write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    app = create_app(Settings(web=str(web), data=str(tmp_path / "data"), clinic=str(file)))
    yield app
    gateway(app).database.close()


def gateway(app: Any) -> Any:
    return next(route for route in app.routes if route.path == "/health").endpoint.__self__


async def ask(app: Any, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="https://bot.example") as client:
        return await client.request(method, path, content=body, headers=given)


# ---------------------------------------------------------------- which pages may talk to it


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        (None, "bot.example", True),
        ("https://bot.example", "bot.example", True),
        ("http://bot.example", "bot.example", True),
        ("https://bot.example", "BOT.example", True),
        ("https://bot.example", "bot.example:443", True),
        ("http://bot.example", "bot.example:80", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        (CLINIC, "bot.example", True),
        ("null", "bot.example", False),
        ("", "bot.example", False),
        ("", "", False),
        ("https://", "", False),
        ("null", "null", False),
        (STRANGER, "bot.example", False),
        (f"{CLINIC}:8443", "bot.example", False),
        ("http://www.clinic.example", "bot.example", False),
        (f"{CLINIC}.stranger.example", "bot.example", False),
        ("https://bot.example.stranger.example", "bot.example", False),
        ("https://bot.example:8443", "bot.example", False),
        ("http://127.0.0.1:9090", "127.0.0.1:8080", False),
        ("https://bot.example", "bot.example:80", False),
        ("https://bot.example", None, False),
        ("file://", "bot.example", False),
        ("chrome-extension://bot.example", "bot.example", False),
        ("https://[", "bot.example", False),
    ],
)
def test_pages_of_its_own_and_of_the_clinics_sites_may_post(origin: str | None, host: str | None, may: bool) -> None:
    assert may_post(origin, host, [CLINIC]) is may


@pytest.mark.parametrize("path", ["/api/session", "/api/turn", "/api/forget", "/api/handout"])
@pytest.mark.parametrize("origin", ["null", STRANGER, "https://bot.example:8443"])
async def test_what_another_page_posts_is_refused_unread(app: Any, path: str, origin: str) -> None:
    async def never() -> Any:
        raise AssertionError("the body was read")
        yield b""

    response = await ask(app, "POST", path, never(), Origin=origin)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "bad_origin")
    assert origin in response.json()["error"]["message"]
    assert "access-control-allow-origin" not in response.headers
    assert "frame-ancestors" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://bot.example"}, {"Origin": CLINIC}], ids=str)
async def test_what_a_page_of_the_clinic_posts_is_read(app: Any, headers: dict[str, str]) -> None:
    response = await ask(app, "POST", "/api/session", b"{oops", **headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_json")


@pytest.mark.parametrize(
    ("what", "method", "path", "status"),
    [
        ("the words", "GET", "/api/words", 200),
        ("the figure", "GET", "/api/figure", 200),
        ("no token", "GET", "/api/resume", 401),
        ("no such path", "GET", "/api/nothing", 404),
        ("another method", "DELETE", "/api/words", 405),
        ("no JSON", "POST", "/api/session", 400),
        ("too much", "POST", "/api/session", 413),
        ("too often", "POST", "/api/session", 429),
        ("no database", "POST", "/api/session", 503),
        ("unexpected", "POST", "/api/forget", 500),
    ],
)
async def test_a_page_of_the_clinic_can_read_every_answer_and_no_other_page_any(
    app: Any, monkeypatch: pytest.MonkeyPatch, what: str, method: str, path: str, status: int
) -> None:
    bodies = {"no JSON": b"{oops", "too much": b" " * 20_000}
    if what == "too often":
        monkeypatch.setattr(gateway(app).session_rate, "allows", lambda key: False)
    if what == "unexpected":
        monkeypatch.setattr(gateway(app).sessions, "conversation", lambda token: 1 / 0)
    asked = {"Authorization": "Bearer x"} if what == "unexpected" else {}
    for origin, shared in ((CLINIC, CLINIC), ("http://localhost:8000", "http://localhost:8000"), (STRANGER, None)):
        response = await ask(app, method, path, bodies.get(what), Origin=origin, **asked)
        assert response.status_code == (403 if shared is None and method == "POST" else status)
        assert response.headers.get("access-control-allow-origin") == shared
        assert "Origin" in response.headers["Vary"]
        assert "access-control-allow-credentials" not in response.headers
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("origin", "method", "headers", "status"),
    [
        (CLINIC, "POST", "authorization, content-type", 200),
        (CLINIC, "GET", "authorization", 200),
        (CLINIC, "DELETE", "", 400),
        (CLINIC, "POST", "x-other", 400),
        (STRANGER, "POST", "authorization", 400),
        ("null", "POST", "authorization", 400),
    ],
)
async def test_a_browser_is_told_before_it_sends(app: Any, origin: str, method: str, headers: str, status: int) -> None:
    asked = {"Access_Control_Request_Method": method, "Access_Control_Request_Headers": headers}
    response = await ask(app, "OPTIONS", "/api/turn", Origin=origin, **asked)
    assert response.status_code == status
    assert response.headers.get("access-control-allow-origin") == (CLINIC if origin == CLINIC else None)
    assert response.headers["access-control-allow-methods"] == "GET, POST"
    assert response.headers["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/", "/demo", "/health", "/report.css", "/plan/x", "/summary/x/fhir", "/icons/plateau.svg", "/apis/x"]
)
async def test_no_other_page_can_read_what_is_not_the_api(app: Any, method: str, path: str) -> None:
    response = await ask(app, method, path, Origin=CLINIC, Access_Control_Request_Method="GET")
    assert "access-control-allow-origin" not in response.headers


async def test_only_its_own_pages_and_the_clinics_may_hold_it_in_a_frame(app: Any) -> None:
    policy = (await ask(app, "GET", "/")).headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["frame-ancestors"] == f"'self' {CLINIC} http://localhost:8000"
    assert rules["img-src"] == "'self' data:"
    assert rules["script-src"] == "'self'"


# ---------------------------------------------------------------- what a drawing and the way out need


async def test_the_words_say_their_language_and_the_way_out(app: Any) -> None:
    words = (await ask(app, "GET", "/api/words")).json()
    assert (words["language"], words["exit_link"]) == ("en", "https://www.weather.example/")


async def test_anyone_may_draw_and_keep_the_body(app: Any) -> None:
    response = await ask(app, "GET", "/api/figure")
    assert response.json() == json.loads(json.dumps(figure()))
    assert response.headers["Cache-Control"] == "public, max-age=86400"


def places(view: str) -> dict[tuple[str, str | None], list[float]]:
    """Return where the paths of each region and side begin, across."""
    found: dict[tuple[str, str | None], list[float]] = {}
    for shape in figure()["views"][view]["regions"]:
        begins = float(re.match(r"M(-?[\d.]+) ", shape["d"])[1])
        found.setdefault((shape["region"], shape["side"]), []).append(begins)
    return found


def test_every_region_that_can_be_drawn_can_be_touched() -> None:
    drawn = {region for view in ("front", "back") for region, _ in places(view)}
    assert set(QUESTIONS["body_region"].values) - drawn == {"widespread", "other"}
    assert drawn <= set(QUESTIONS["body_region"].values)


@pytest.mark.parametrize(("view", "sign"), [("front", 1), ("back", -1)])
def test_a_limb_has_the_patients_two_sides_and_nothing_else_has(view: str, sign: int) -> None:
    sided = set(opening({}, "body_region", "side"))
    for (region, side), begins in places(view).items():
        assert (side is not None) is (region in sided), region
        if side is not None:
            across = sign if side == "left" else -sign
            assert all(across * x > 0 for x in begins), (region, side)
    assert len(places(view)["arm", "left"]) == 2


def test_the_body_is_drawn_whole_with_its_details() -> None:
    body = figure()
    assert body["width"] > 121 and body["height"] == 312
    for view in body["views"].values():
        paths = [view["outline"], *view["details"], *(shape["d"] for shape in view["regions"])]
        assert all(re.fullmatch(r"[MCZ\d. -]+", path) for path in paths)
        assert view["outline"].endswith("Z") and len(view["details"]) >= 4


# ---------------------------------------------------------------- the component's files

PUBLIC = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("deflate, gzip", True),
        ("identity", False),
        ("", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
    ],
)
async def test_the_component_is_for_every_page_and_for_good(app: Any, web: Path, accepted: str, packed: bool) -> None:
    name = build(web)
    response = await ask(app, "GET", f"/component/{name}", Accept_Encoding=accepted, Origin=STRANGER)
    assert (response.status_code, response.content) == (200, CODE)
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert PUBLIC.items() <= dict(response.headers).items()
    assert response.headers["vary"] == "Accept-Encoding"
    assert (response.headers.get("content-encoding") == "gzip") is packed
    assert int(response.headers["content-length"]) == (len(gzip.compress(CODE)) if packed else len(CODE))


async def test_the_name_that_stays_is_asked_about_each_time(app: Any, web: Path) -> None:
    first = await ask(app, "GET", "/component/plateau-chat.js")
    assert (first.status_code, first.content) == (200, CODE)
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for known, status in ((tag, 304), (f'"x", {tag}', 304), (tag.removeprefix("W/"), 304), ("*", 304), ('"x"', 200)):
        again = await ask(app, "GET", "/component/plateau-chat.js", If_None_Match=known)
        assert (again.status_code, again.headers["etag"]) == (status, tag)
        assert PUBLIC.items() <= dict(again.headers).items()
        assert again.headers["cache-control"] == "no-cache"
    build(web, b"another")
    later = Component(web, web.parent / "other").answer("plateau-chat.js", Headers({"if-none-match": tag}))
    assert later is not None and later.status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "plateau-chat-0.2.0-00000000.js",
        "plateau-chat-0.2.0.js",
        "..%2fsecret",
        "..%2f..%2fclinic.yml",
        "../secret",
        "%2e%2e/secret",
        "plateau-chat-..%2f..%2fsecret-00000000.js",
        "plateau-chat-0.2.0-0000000g.js",
        "plateau-chat-0.2.0-00000000.js%0a",
        "plateau-chat-0.2.0-00000000.js%00",
        "",
    ],
)
async def test_nothing_else_is_a_file_of_the_component(app: Any, name: str) -> None:
    assert (await ask(app, "GET", f"/component/{name}")).status_code == 404


def served(made: Component, name: str) -> bytes | None:
    response = made.answer(name, Headers({}))
    return None if response is None else bytes(response.body)


def test_an_earlier_version_is_served_after_an_upgrade_and_a_later_one_before(tmp_path: Path) -> None:
    web, data = tmp_path / "web", tmp_path / "data"
    old = build(web, b"old", "0.2.0")
    first = Component(web, data)
    new = build(web, b"new", "0.3.0.rc1")
    (web / "dist" / old).unlink()
    second = Component(web, data)
    assert (second.path, second.integrity) == (f"/component/{new}", integrity(b"new"))
    for made in (first, second):
        assert (served(made, old), served(made, new)) == (b"old", b"new")
    assert (served(first, "plateau-chat.js"), served(second, "plateau-chat.js")) == (b"old", b"new")
    assert sorted(file.name for file in (data / "component").iterdir()) == sorted([old, new])


def test_a_kept_file_is_never_written_over_and_not_served_with_other_bytes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    web, data = tmp_path / "web", tmp_path / "data"
    old = build(web, b"old")
    Component(web, data)
    kept = data / "component" / old
    kept.write_bytes(b"changed")
    assert served(Component(web, data), old) == b"old", "the current one comes from the build"
    assert kept.read_bytes() == b"changed"
    build(web, b"new")
    assert served(Component(web, data), old) is None
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert all(str(kept) in record.getMessage() or old in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("fault", ["a file stands there", "full", "read-only"])
def test_a_data_folder_that_takes_nothing_stops_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    web, data = tmp_path / "web", tmp_path / "data"
    name = build(web)
    data.mkdir()
    if fault == "a file stands there":
        (data / "component").write_text("x")

    def fails(*args: Any) -> None:
        raise OSError(28 if fault == "full" else 30, os.strerror(28 if fault == "full" else 30))

    if fault == "full":
        monkeypatch.setattr(component.os, "fsync", fails)
    if fault == "read-only":
        monkeypatch.setattr(component, "_write", fails)
    made = Component(web, data)
    monkeypatch.undo()
    assert served(made, name) == CODE
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert name in caplog.text
    assert [file for file in data.rglob("*") if file.is_file() and file.stat().st_size > 1] == []


def test_workers_that_start_at_once_keep_one_whole_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    web, data = tmp_path / "web", tmp_path / "data"
    name = build(web)
    with ThreadPoolExecutor(8) as workers:
        made = list(workers.map(lambda _: Component(web, data), range(32)))
    assert {served(one, name) for one in made} == {CODE}
    assert [(file.name, file.read_bytes()) for file in (data / "component").iterdir()] == [(name, CODE)]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


SOUND = {"version": "0.2.0", "file": "plateau-chat-0.2.0-1a2b3c4d.js", "integrity": integrity(CODE)}


@pytest.mark.parametrize(
    ("what", "manifest", "said"),
    [
        ("none", None, "manifest.json: cannot be read"),
        ("no JSON", "{oops", "manifest.json: is not valid JSON"),
        ("no object", [], "manifest.json: file: is missing or no text"),
        ("no file", {"integrity": "x"}, "manifest.json: file: is missing or no text"),
        ("no integrity", {"file": "x"}, "manifest.json: integrity: is missing or no text"),
        ("a number", {"file": 7, "integrity": "x"}, "manifest.json: file: is missing or no text"),
        ("a path", SOUND | {"file": "../../clinic.yml"}, "manifest.json: file: '../../clinic.yml' is not a name"),
        ("an absent file", SOUND, "plateau-chat-0.2.0-1a2b3c4d.js: cannot be read"),
        ("another integrity", "integrity", "is not the file that manifest.json names"),
        ("other bytes", "bytes", "is not the file that manifest.json names"),
    ],
)
def test_a_start_without_a_sound_build_says_how_to_make_one(web: Path, what: str, manifest: Any, said: str) -> None:
    name = build(web)
    if what == "none":
        (web / "dist" / "manifest.json").unlink()
    elif what == "another integrity":
        write(web, {"version": "0.2.0", "file": name, "integrity": integrity(b"other")})
    elif what == "other bytes":
        (web / "dist" / name).write_bytes(b"other")
    else:
        write(web, manifest)
    with pytest.raises(SettingError) as raised:
        create_app(Settings(web=str(web), data=str(web.parent / "data")))
    assert said in str(raised.value)
    assert str(raised.value).startswith(str(web))
    assert "allowed: what python3 scripts/setup.py builds" in str(raised.value)


# ---------------------------------------------------------------- the pages


@pytest.mark.parametrize(("path", "page"), [("/", "index"), ("/demo", "demo")])
async def test_a_page_names_the_component_and_the_clinic(app: Any, web: Path, path: str, page: str) -> None:
    name = build(web)
    response = await ask(app, "GET", path)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.text == (
        f'{page} <html lang="en"><title>Hill &amp; {{language}} Street</title>'
        f'<a href="tel:+441632960001">+44 (1632) 960-001</a>'
        f'<script src="/component/{name}" integrity="{integrity(CODE)}"></script>{{another}} {{"json": 1}}'
    )


@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/demo.html",
        "/INDEX.HTML",
        "https://bot.example//index.html",
        "/icons/..%2findex.html",
        "/index%2ehtml",
        "/./demo.html",
        "/icons",
        "/icons/",
        "/build.mjs",
        "/dist/manifest.json",
        "/package.json",
    ],
)
async def test_no_page_is_served_unfilled_and_nothing_but_the_pages_folder(app: Any, web: Path, path: str) -> None:
    (web / "build.mjs").write_text("")
    response = await ask(app, "GET", path)
    assert response.status_code == 404
    assert "{clinic_phone}" not in response.text


async def test_what_the_pages_need_is_served(app: Any) -> None:
    response = await ask(app, "GET", "/icons/plateau.svg")
    assert (response.status_code, response.text) == (200, "<svg/>")
