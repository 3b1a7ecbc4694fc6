"""Where the browser tests take place: the real gateway, a clinic's website; and what a page must never do."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import uvicorn
from playwright.sync_api import ConsoleMessage, Request

from plateau.server import create_app
from plateau.server._settings import Settings

CLINIC_KEY = "a key that only this clinic and its gateway know"


class Served:
    """The real gateway with the trained model on one address, which can be stopped and started again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        config = uvicorn.Config(
            create_app(self._settings), host="127.0.0.1", port=self.port, ws="none", log_level="warning"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        with httpx.Client(base_url=self.url, timeout=60) as client:
            for _ in range(240):
                with suppress(httpx.TransportError):
                    if client.get("ready").status_code == 200:
                        return
                time.sleep(0.5)
        raise AssertionError("the gateway is not ready after two minutes")

    def stop(self) -> None:
        self._server.should_exit = True
        # Browsers keep their connections open; nobody waits for them here.
        self._server.force_exit = True
        self._thread.join()


class ClinicSite:
    """A clinic's website on an address of its own; `html` is what its one page holds, `policy` its CSP."""

    def __init__(self) -> None:
        site = self
        self.html, self.policy = "", ""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.html.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", site.policy)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Watch:
    """What a page must never do."""

    hosts: tuple[str, ...]
    troubles: list[str] = field(default_factory=list)
    expected: str = r"(?!)"

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(message.text)

    def on_request(self, request: Request) -> None:
        if not request.url.startswith((*self.hosts, "data:")):
            self.troubles.append(f"went to {request.url}")

    def unexpected(self) -> list[str]:
        return [trouble for trouble in self.troubles if not re.search(self.expected, trouble)]
