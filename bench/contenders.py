"""Programs that contend for a Lease, and the network between them and the API server.

All times are seconds of CLOCK_MONOTONIC, which every process of the machine shares. For one asyncio loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

now = time.monotonic

PATIENCE = 60.0  # of every wait; what takes longer is broken
STARTED = '{"event":"started"}'
STOPPED = '{"event":"stopped"}'

# The work of `tenure run`: says once that it has begun, as the Go program does.
SPEAKS = ["sh", "-c", f"echo '{STARTED}'; exec sleep 1000"]
# Also says every 5 ms that it goes on. One write for each, so that no end leaves half a line.
_HEARTBEAT = f"""import os, sys, time
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.write(1, b'{STARTED}\\n')
while True:
    os.write(file, b'%d\\n' % time.monotonic_ns())
    time.sleep(0.005)
"""


def heartbeat(file: Path) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", _HEARTBEAT, str(file)]


def heartbeats(file: Path) -> list[float]:
    """When it went on, in order."""
    return [int(line) / 1e9 for line in file.read_text().splitlines()]


async def last_heartbeat(file: Path) -> float:
    """When there has been none for a second."""
    while (last := heartbeats(file)[-1]) > now() - 1:
        await asyncio.sleep(0.2)
    return last


class TrialFailed(Exception):
    """What was waited for in vain."""


@contextlib.asynccontextmanager
async def patience(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        raise TrialFailed(f"waited {PATIENCE:.0f} s in vain for {what}") from None


def signal_all(pids: list[int], number: signal.Signals) -> float:
    """When the first was sent; some may have ended."""
    at = now()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return at


def _kilobytes(key: str, text: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(key + ":"))


T = TypeVar("T")


async def all_of(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What they return; when one fails, the others are ended first."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(coroutine) for coroutine in coroutines]
    return [task.result() for task in tasks]


class Program:
    """A process in a session of its own, whose lines are noted with the time of their arrival."""

    everybody: list[Program] = []

    def __init__(self, words: list[str], process: asyncio.subprocess.Process, began: float) -> None:
        self.words = words
        self.began = began
        self.lines: list[tuple[float, str]] = []
        self._process = process
        self._news = asyncio.Condition()
        self._readers = [asyncio.create_task(self._read(stream)) for stream in (process.stdout, process.stderr)]
        Program.everybody.append(self)

    @classmethod
    async def start(cls, words: list[str]) -> Program:
        # Nothing of the caller's settings for tenure, and no proxy.
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        began = now()
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=environment, start_new_session=True)
        return cls(words, process, began)

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        async for line in stream:
            at = now()
            async with self._news:
                self.lines.append((at, line.decode(errors="replace").rstrip("\n")))
                self._news.notify_all()

    async def says(self, text: str, after: float = 0) -> tuple[float, str]:
        """When its first line with this text came, and the line; waits for it."""

        def find() -> list[tuple[float, str]]:
            return [line for line in self.lines if line[0] > after and text in line[1]]

        async with patience(f"{text} from {' '.join(self.words)}"), self._news:
            return (await self._news.wait_for(find))[0]

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> float:
        """When it was sent, to this process only."""
        at = now()
        self._process.send_signal(number)
        return at

    def tree(self) -> list[int]:
        """Everything that it has started too, in the order of their start: none of it leaves the session."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if int(fields[3]) == self.pid and fields[0] not in "ZX":
                found.append((int(fields[19]), int(stat.parent.name)))
        return [pid for _, pid in sorted(found)]

    def _own_processes(self) -> list[int]:
        """Without the command that it runs: the guardians of `tenure run` are forks of it."""
        own = os.readlink(f"/proc/{self.pid}/exe")
        return [pid for pid in self.tree() if os.readlink(f"/proc/{pid}/exe") == own]

    def processor_time(self) -> float:
        """Used so far, in seconds."""
        # The kernel's name for the processor clock of another process (clock_getcpuclockid(3)).
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self._own_processes())

    def memory(self) -> dict[str, int]:
        """In kB: VmRSS and RssAnon of the process itself, Pss with its guardians."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self._own_processes()]
        return {"VmRSS": _kilobytes("VmRSS", status), "RssAnon": _kilobytes("RssAnon", status),
                "Pss": sum(_kilobytes("Pss", rollup) for rollup in rollups)}

    async def end(self) -> None:
        """At once, also when it is frozen."""
        signal_all(self.tree(), signal.SIGKILL)
        await self._process.wait()
        await asyncio.wait(self._readers, timeout=PATIENCE)
        if self in Program.everybody:
            Program.everybody.remove(self)

    @classmethod
    async def end_everybody(cls) -> None:
        await asyncio.gather(*(program.end() for program in list(cls.everybody)))


class Link:
    """The network between one program and the API server. It passes bytes, which TLS keeps secret."""

    # In a write; a renewal has more of them, the housekeeping of HTTP/2 fewer.
    _SMALLEST_REQUEST = 200

    def __init__(self, server_url: str) -> None:
        host, _, port = server_url.removeprefix("https://").rpartition(":")
        self._server = (host, int(port))
        self.url = ""
        loop = asyncio.get_running_loop()
        self.first_byte: asyncio.Future[float] = loop.create_future()
        self._request: asyncio.Future[float] = loop.create_future()
        self._late_by: float | None = None
        self._held: list[tuple[asyncio.StreamWriter, bytes]] | None = None
        self._cut = False
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, server_url: str) -> Link:
        link = cls(server_url)
        link._listener = await asyncio.start_server(link._accept, "127.0.0.1", 0)
        link.url = f"https://127.0.0.1:{link._listener.sockets[0].getsockname()[1]}"
        return link

    async def answer_late_then_cut(self, seconds: float) -> float:
        """From the next request on all answers are held back, for so long; then they arrive, and nothing
        passes any more in either direction, of which nobody is told. Returns when the request passed."""
        self._late_by = seconds
        async with patience("a request"):
            return await self._request

    async def close(self) -> None:
        if self._listener:
            self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._pass(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*self._server)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_requests(reader, to_server))
                both.create_task(self._pass_answers(from_server, writer))
        except* ConnectionError:
            pass  # one of them has closed it; so do we
        finally:
            writer.close()
            to_server.close()

    async def _pass_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.first_byte.done():
                self.first_byte.set_result(now())
            if self._late_by is not None and len(data) >= self._SMALLEST_REQUEST:
                self._request.set_result(now())
                self._held = []
                asyncio.get_running_loop().call_later(self._late_by, self._let_through_and_cut)
                self._late_by = None
            if not self._cut:
                writer.write(data)
        self._deliver(writer, b"")

    async def _pass_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self._answer(writer, data)
        self._answer(writer, b"")

    def _answer(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._held is None:
            self._deliver(writer, data)
        else:
            self._held.append((writer, data))

    def _deliver(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Nothing means the end of the connection."""
        if self._cut or writer.is_closing():
            return
        if data:
            writer.write(data)
        else:
            writer.close()

    def _let_through_and_cut(self) -> None:
        held, self._held = self._held or [], None
        for writer, data in held:
            self._deliver(writer, data)
        self._cut = True
