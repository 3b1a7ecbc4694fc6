"""Two real workers on one database behind the real nginx, with the configuration that deploy/ ships."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from plateau.cli._scenario import answer_for

ROOT = Path(__file__).parents[2]
POSTGRES = os.environ.get("PLATEAU_TEST_POSTGRES")
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
SERVE = "import sys; from plateau.cli import main; sys.exit(main())"
TOKEN = "a-token-for-tests-only"
HOST = "chat.clinic.example"
# A machine may be busy with other things.
START_SECONDS = 300
DRAIN_SECONDS = 2
MOST_SCREENS = 40
EMERGENCY = "I have crushing chest pain and I cannot breathe"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Worker:
    """One `plateau serve`, which can be killed and started again."""

    def __init__(self, folder: Path, databases: dict[str, str]) -> None:
        self.port, self.log = free_port(), folder / f"worker-{uuid.uuid4().hex}.log"
        self._environment = {
            **os.environ,
            "PLATEAU_DATA": str(folder / "data"),
            "PLATEAU_LOG": "json",
            "PLATEAU_METRICS_TOKEN": TOKEN,
            "PLATEAU_SESSIONS_PER_MINUTE": "30",
            "PLATEAU_PROXIES": "127.0.0.1",
            "RASA_TELEMETRY_ENABLED": "false",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **databases,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        command = [sys.executable, "-c", SERVE, "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--drain", str(DRAIN_SECONDS)], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )

    def wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert self.process is not None and self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.address}/ready").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise AssertionError(self.log.read_text())

    def stop(self, how: int) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(60)

    def metric(self, sample: str) -> float:
        text = httpx.get(f"{self.address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
        found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, str]]:
    """The two that deploy/postgres/databases.sh makes, as settings; none without a PostgreSQL: SQLite then."""
    if not POSTGRES:
        yield {}
        return
    place = make_url(POSTGRES)
    given = {
        "PGHOST": place.query.get("host") or place.host or "",
        "PGPORT": str(place.port or 5432),
        "PGPASSWORD": place.password or "",
        "POSTGRES_USER": place.username or "",
        "POSTGRES_DB": place.database or "",
    }
    passwords = {"DATA_PASSWORD": "data's password", "KEYS_PASSWORD": 'keys" $password'}
    subprocess.run([ROOT / "deploy" / "postgres" / "databases.sh"], env=os.environ | given | passwords, check=True)
    names = {"PLATEAU_DATABASE": ("plateau_data", "DATA_PASSWORD"), "PLATEAU_KEYS": ("plateau_keys", "KEYS_PASSWORD")}
    yield {
        variable: place.set(username=name, password=passwords[word], database=name).render_as_string(False)
        for variable, (name, word) in names.items()
    }
    server = create_engine(POSTGRES, future=True, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        for name, _ in names.values():
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
            connection.exec_driver_sql(f"DROP ROLE {name}")
    server.dispose()


@pytest.fixture(scope="module")
def places(databases: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Worker]]:
    """The two workers of this file; what starts, starts beside the other."""
    folder = tmp_path_factory.mktemp("workers")
    workers = [Worker(folder, databases), Worker(folder, databases)]
    yield workers
    for worker in workers:
        if worker.process is not None and worker.process.poll() is None:
            worker.stop(signal.SIGKILL)


@pytest.fixture
def workers(places: list[Worker]) -> list[Worker]:
    """Both, up and ready; what an earlier test stopped is started again."""
    for worker in places:
        worker.start()
    for worker in places:
        worker.wait()
    return places


def configured(folder: Path, workers: list[Worker], port: int) -> Path:
    """The nginx.conf of deploy/ with ports, certificates and files of this test; everything else as it is shipped."""
    openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-days", "1", "-subj", f"/CN={HOST}", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run([*openssl, *files], check=True, capture_output=True)
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    scratch = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    changes = {
        "pid /run/nginx.pid;": f"pid {folder}/pid;\ndaemon off;\n" + ("user root;\n" if os.geteuid() == 0 else ""),
        "127.0.0.1:8081": f"127.0.0.1:{workers[0].port}",
        "127.0.0.1:8082": f"127.0.0.1:{workers[1].port}",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/plateau/tls/fullchain.pem": str(folder / "cert.pem"),
        "/etc/plateau/tls/privkey.pem": str(folder / "key.pem"),
        "/dev/stdout": str(folder / "access.log"),
        "/dev/stderr": str(folder / "error.log"),
        "http {\n": f"http {{\n{scratch}",
    }
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = folder / "nginx.conf"
    file.write_text(text, encoding="utf-8")
    return file


class Front:
    """The nginx in front, and what it wrote down."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.trust = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        self.trust.check_hostname = False

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{self.port}", verify=self.trust, headers={"Host": HOST}, timeout=60
        )

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]


@pytest.fixture
def front(workers: list[Worker], tmp_path: Path) -> Iterator[Front]:
    port = free_port()
    file = configured(tmp_path, workers, port)
    process = subprocess.Popen([NGINX, "-e", f"{tmp_path}/error.log", "-c", str(file)], stderr=subprocess.PIPE)
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    yield Front(tmp_path, port)
    process.terminate()
    process.wait(30)


class Talk:
    """One patient's conversation through any address."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client, self.token, self.turn = client, "", {}

    async def begin(self) -> None:
        response = await self.client.post("/api/session")
        assert response.status_code == 201, response.text
        self.token, self.turn = response.json()["token"], response.json()["turn"]

    async def post(self, message: dict[str, Any], client: httpx.AsyncClient | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await (client or self.client).post("/api/turn", json=message, headers=headers)

    def next_message(self) -> dict[str, Any] | None:
        """What answers the screen; None when there is nothing more to answer."""
        screen = self.turn["screen"] or {}
        if screen.get("kind") == "review":
            return {"id": uuid.uuid4().hex, "command": {"name": "confirm"}}
        if screen.get("kind") != "questions":
            return None
        answers = {question["id"]: answer_for(question["id"], {}) for question in screen["questions"]}
        return {"id": uuid.uuid4().hex, "answers": answers}

    async def go_on(self) -> bool:
        """Answer one screen; False when the plan is there."""
        message = self.next_message()
        if message is None:
            return False
        response = await self.post(message)
        assert response.status_code == 200, response.text
        assert response.json()["number"] == self.turn["number"] + 1
        self.turn = response.json()
        return True


def test_neither_user_of_the_two_databases_opens_the_other(databases: dict[str, str]) -> None:
    if not databases:
        pytest.skip("needs a PostgreSQL: scripts/with_postgres")
    data, keys = (make_url(databases[name]) for name in ("PLATEAU_DATABASE", "PLATEAU_KEYS"))
    for user, other in ((data, keys), (keys, data)):
        with create_engine(user, future=True).connect() as connection:
            mine = connection.exec_driver_sql(
                "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
            )
            assert mine.scalar_one() is False
        with pytest.raises(OperationalError, match="permission denied for database"):
            create_engine(user.set(database=other.database), future=True).connect()


@pytest.mark.asyncio
async def test_what_is_only_for_machines_inside_is_not_in_front(front: Front) -> None:
    async with front.client() as client:
        for path in ("/metrics", "/ready"):
            assert (await client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 404
        page = await client.get("/", headers={"X-Request-ID": "ffffffffffffffff"})
        assert page.status_code == 200
        assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
        # A client's own id is replaced by the proxy's.
        assert page.headers["X-Request-ID"] == front.lines()[-1]["request"] != "ffffffffffffffff"
        # The page's own browser may post: the Host header goes through.
        allowed = await client.post("/api/session", headers={"Origin": f"https://{HOST}"})
        assert allowed.status_code == 201
        assert (await client.post("/api/session", headers={"Origin": "https://evil.example"})).status_code == 403


@pytest.mark.asyncio
async def test_one_address_at_its_limit_is_one_address_whatever_it_says_of_itself(workers: list[Worker]) -> None:
    async with httpx.AsyncClient(base_url=workers[1].address) as proxy:

        async def begins(forwarded: str) -> int:
            body = b"{oops"
            return (await proxy.post("/api/session", content=body, headers={"X-Forwarded-For": forwarded})).status_code

        # The proxy says who it is: the last word in the list, whatever a client has put before it.
        first = [await begins(f"198.51.100.{n}, 203.0.113.9") for n in range(31)]
        assert first[0] == 400
        assert first[-1] == 429
        assert await begins("203.0.113.10") == 400
        # One household of IPv6 is one caller as well.
        second = [await begins(f"2001:db8:0:1::{n:x}") for n in range(31)]
        assert (second[0], second[-1]) == (400, 429)


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nX: ", b"GET /", b""], ids=["a header", "a path", "a first line"])
def test_a_head_without_end_is_cut_off(workers: list[Worker], head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", workers[1].port), timeout=30) as connection:
        connection.sendall(head)
        taken = 0
        try:
            while taken < 50_000_000:
                connection.sendall(b"a" * 65_536)
                taken += 65_536
            ended = b"unending"
        except OSError:
            ended = b""
    assert ended == b""
    assert taken < 20_000_000
    assert httpx.get(f"{workers[1].address}/health").status_code == 200


@pytest.mark.asyncio
async def test_an_interview_alternates_between_workers_and_goes_on_when_one_is_killed(
    workers: list[Worker], front: Front
) -> None:
    async with front.client() as client:
        talk = Talk(client)
        await talk.begin()
        for _ in range(6):
            assert await talk.go_on()
        served_by = {line["worker"] for line in front.lines() if line["route"] == "/api/turn"}
        assert served_by == {f"127.0.0.1:{worker.port}" for worker in workers}
        assert workers[0].stop(signal.SIGKILL) == -signal.SIGKILL
        # As systemd does it; it takes seconds, and the patient goes on meanwhile.
        workers[0].start()
        for _ in range(MOST_SCREENS):
            if not await talk.go_on():
                break
        assert talk.turn["screen"]["kind"] == "plan"
        links = await client.post("/api/handout", headers={"Authorization": f"Bearer {talk.token}"})
        assert links.status_code == 201
        secrets = [value for value in links.json().values() if isinstance(value, str) and value.startswith("/plan/")]
        assert secrets
        assert (await client.get(secrets[0])).status_code == 200
    # nginx has seen the links, and neither log has them.
    written = (front.folder / "access.log").read_text() + (front.folder / "error.log").read_text()
    written += "".join(worker.log.read_text() for worker in workers)
    for secret in (talk.token, *(link.rsplit("/", 1)[1] for link in secrets)):
        assert secret not in written
    assert '"/plan/-"' in written
    assert '"/plan/{link}"' in written
    # One JSON object a line, from the first line on.
    told = [json.loads(line) for line in workers[1].log.read_text().splitlines()]
    assert {"time", "level", "logger", "event"} <= set.intersection(*(set(line) for line in told))
    assert any("has signed" in line["event"] or "signed by" in line["event"] for line in told)


@pytest.mark.asyncio
async def test_a_worker_that_is_told_to_stop_finishes_drains_and_ends_well(workers: list[Worker]) -> None:
    stopping, other = workers
    async with httpx.AsyncClient(base_url=stopping.address, timeout=60) as client:
        talks = [Talk(client) for _ in range(12)]
        for talk in talks:
            await talk.begin()
        sent = [talk.next_message() for talk in talks]
        under_way = [
            asyncio.create_task(talk.post(message)) for talk, message in zip(talks, sent, strict=True) if message
        ]
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        assert stopping.process is not None
        stopping.process.send_signal(signal.SIGTERM)
        async with httpx.AsyncClient(base_url=stopping.address) as balancer:
            ready = await balancer.get("/ready")
            while ready.status_code == 200:  # the signal is on its way
                ready = await balancer.get("/ready")
            assert (ready.status_code, ready.json()) == (503, {"ready": False, "because": "draining"})
            assert (await balancer.get("/health")).status_code == 200
        # What comes while it drains is taken, and danger is heard.
        late = await talks[0].post({"id": "late", "text": EMERGENCY})
        assert (late.json().get("turn") or late.json())["messages"][0]["id"] == "safety.emergency"
        answered = [(await task).status_code for task in under_way]
    assert answered == [200] * len(talks)
    assert await asyncio.to_thread(stopping.process.wait, 60) == 0
    async with httpx.AsyncClient(base_url=other.address, timeout=60) as client:
        for talk, message in zip(talks[1:], sent[1:], strict=True):
            assert message is not None
            again = await talk.post(message, client)
            resumed = await client.get("/api/resume", headers={"Authorization": f"Bearer {talk.token}"})
            assert (again.status_code, again.json()) == (200, resumed.json())
            assert again.json()["number"] == 2
    assert "could not stop in time" not in stopping.log.read_text()
