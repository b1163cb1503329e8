"""What demo_kubernetes.py needs beside its story: a screen, and sidecars seen from outside.

All times are seconds of the monotonic clock. Needs Python 3.11; one thread at a time.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 20.0  # for what takes a fraction of a second on a machine that does nothing else


class Broken(Exception):
    """Something that tenure promises, or that the demo needs, did not happen."""


@dataclass
class News:
    """What a sidecar has said about the leader, and when that was heard."""

    at: float
    sidecar: str
    answer: dict[str, Any]


def ask(port: int, path: str, method: str = "GET", patience: float = PATIENCE) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace").strip()
    finally:
        connection.close()


class Screen:
    """Plain lines; colour only for people."""

    def __init__(self, colours: dict[str, str]) -> None:
        """By name, as the terminal knows them: {"napoleon": "1;34"}."""
        self._colours = colours
        self._began = time.monotonic()
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def name(self, name: str) -> str:
        return self.paint(name, self._colours[name])

    def say(self, text: str) -> None:
        print(text, flush=True)

    def title(self, text: str) -> None:
        self.say("\n" + self.paint(text, "1"))

    def tell(self, text: str) -> None:
        self.say(f"{self.paint(f'{self.passed():6.2f}s', '2')} {text}")

    def passed(self) -> float:
        return time.monotonic() - self._began


def seconds(text: str) -> float:
    """Of a duration as tenure prints it: 1m2s, 1.5s, 500ms."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|[hms])", text))


def shown(duration: float) -> str:
    return f"{duration:.2f}s" if duration >= 1 else f"{duration * 1000:.0f}ms"


class Sidecar:
    """A `tenure sidecar` process as its neighbours see it: by its HTTP interface and its log."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path,
                 news: queue.Queue[News]) -> None:
        """`command` has --log=json in it; `news` gets every change of the leader that the sidecar hears of."""
        self.name, self.log = name, log
        self.state = "not started"
        self.port = 0
        self._command, self._environment, self._news = command, environment, news
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0

    def start(self) -> None:
        self._began = self.log_size()
        # In a session of its own, so that Ctrl-C is for us alone; and it never outlives us.
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self._command], stderr=log,
                                             stdin=subprocess.DEVNULL, env=self._environment, start_new_session=True)
        self.state = "runs"

    def wait_until_ready(self) -> str:
        """What it says about itself."""
        said = self.logged("starting", self._began)
        found = re.search(r"listening on port (\d+)", said)
        if not found:
            raise Broken(f"{self.name} does not say its port: {said}")
        self.port = int(found[1])
        threading.Thread(target=self._follow, args=(self.port,), daemon=True).start()
        return said

    def _follow(self, port: int) -> None:
        path = "/api/leader"
        try:
            while True:
                answer = json.loads(ask(port, path, patience=90)[1])
                self._news.put(News(time.monotonic(), self.name, answer))
                path = f"/api/leader?wait={answer['epoch']}&timeout=60s"
        except (OSError, ValueError, http.client.HTTPException):
            return  # it has ended

    def leader(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(ask(self.port, "/api/leader")[1])
        return answer

    def is_leader(self) -> int:
        """The status: 200, or 503 for "no"."""
        return ask(self.port, "/api/is-leader")[0]

    def send_question(self) -> http.client.HTTPConnection:
        """Of the same kind, but without waiting for the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", "/api/is-leader")
        return connection

    def log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def logged(self, event: str, begin: int) -> str:
        """The message of the first such event after so many bytes of its log."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            ended = self._process is None or self._process.poll() is not None
            for line in self.log.read_bytes()[begin:].decode(errors="replace").splitlines(keepends=True):
                if line.startswith("{") and line.endswith("}\n") and json.loads(line)["event"] == event:
                    return str(json.loads(line)["message"])
            if ended:
                break
            time.sleep(0.01)
        raise Broken(f"waited in vain for {self.name} to log the event {event!r}")

    def signal(self, number: signal.Signals, state: str) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)
            if number == signal.SIGKILL:
                self._process.wait()
        self.state = state
