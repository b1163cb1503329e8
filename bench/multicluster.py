#!/usr/bin/env python3
"""tenure controller in two clusters with one bucket: how long changes of leader take, and what it costs.

    bench/multicluster.py                  # everything, about half an hour
    bench/multicluster.py --only failover --quick

Needs build/release/bin/tenure (make), build/dev/bin/shared_control_plane (make check) and Python 3.11. What is
measured stands in README.md. Exits with 1 when a bar was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.dont_write_bytecode = True  # nothing of ours appears beside the sources
SOURCES = Path(__file__).resolve().parents[1]
sys.path.append(str(SOURCES / "tests/servers"))
from contenders import PATIENCE, STARTED, Program, TrialFailed, all_of, patience  # noqa: E402
from control_plane import ControlPlane, ControlPlaneError  # noqa: E402
from multicluster_measures import EAST, LEASES, MEASURES, NAMESPACE, SIDES, Row, Timing, candidacy, say  # noqa: E402

BUCKET = "locks"
CRD = SOURCES / "deploy/controller/base/crd.yaml"
WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """A request or an answer of HTTP/1.1, made one of known length."""
    head = await reader.readuntil(b"\r\n\r\n")
    if length := re.search(rb"(?i)\r\ncontent-length: *(\d+)", head):
        return head, await reader.readexactly(int(length[1]))
    if not re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
        return head, b""
    body = b"".join([chunk async for chunk in chunks(reader)])
    return re.sub(rb"(?i)\r\ntransfer-encoding: *chunked", b"\r\nContent-Length: %d" % len(body), head), body


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)


class Api:
    """One API server, over a few kept connections."""

    def __init__(self, plane: ControlPlane) -> None:
        self._address = plane.server_url.removeprefix("https://")
        self._head = f"Host: {self._address}\r\nAuthorization: Bearer {plane.values['TENURE_TEST_TOKEN']}\r\n"
        self._tls = ssl.create_default_context(cafile=plane.values["TENURE_TEST_CA_FILE"])
        self._free = asyncio.Semaphore(32)
        self._kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self._address.rpartition(":")
        return await asyncio.open_connection(host, int(port), ssl=self._tls, limit=1 << 20)

    def _request(self, method: str, path: str, body: str = "") -> bytes:
        kind = "application/json" if method == "POST" else "application/merge-patch+json"
        return (f"{method} {path} HTTP/1.1\r\n{self._head}Content-Type: {kind}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

    async def send(self, method: str, path: str, value: object = None) -> bytes:
        """What it answers, which is good."""
        body = "" if value is None else json.dumps(value)
        async with patience(f"{method} {path}"), self._free:
            self._kept = [kept for kept in self._kept if not kept[0].at_eof()]  # the server closes what is idle
            reader, writer = self._kept.pop() if self._kept else await self._open()
            writer.write(self._request(method, path, body))
            head, answer = await read_message(reader)
            self._kept.append((reader, writer))
        if not head.startswith(b"HTTP/1.1 2"):
            raise TrialFailed(f"{method} {path}: {head.splitlines()[0].decode()}: {answer[:500].decode()}")
        return answer

    async def get(self, path: str) -> Any:
        return json.loads(await self.send("GET", path))

    async def watch(self, path: str) -> AsyncIterator[Any]:
        """Everything that happens from now on."""
        version = (await self.get(path))["metadata"]["resourceVersion"]
        while True:
            reader, writer = await self._open()
            try:
                writer.write(self._request("GET", f"{path}?watch=1&resourceVersion={version}"))
                await reader.readuntil(b"\r\n\r\n")
                rest = b""
                async for chunk in chunks(reader):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for event in map(json.loads, lines):
                        if event["type"] == "ERROR":
                            raise TrialFailed(f"watching {path}: {event['object']['message']}")
                        version = event["object"]["metadata"]["resourceVersion"]
                        yield event
            finally:
                writer.close()
            say("the server has ended a watch, which it does when it is short of time; it goes on")


class Way:
    """From one controller to the bucket. Counts the requests by what was answered, and may take time."""

    def __init__(self, bucket: tuple[str, int], seconds: float) -> None:
        """The time is that of both directions together."""
        self._bucket, self._half = bucket, seconds / 2
        self.counted: Counter[str] = Counter()
        self._connections: set[asyncio.Task[None] | None] = set()  # nobody else keeps them

    async def open(self) -> str:
        self.listener = await asyncio.start_server(self._pass, "127.0.0.1", 0, backlog=1024)
        return "127.0.0.1:" + str(self.listener.sockets[0].getsockname()[1])

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.current_task())
        answers, to_bucket = await asyncio.open_connection(*self._bucket)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):  # one has closed it; so do we
            while True:
                head, body = await read_message(reader)
                await asyncio.sleep(self._half)
                to_bucket.write(head + body)
                answer, content = await read_message(answers)
                self._count(head, answer)
                await asyncio.sleep(self._half)
                writer.write(answer + content)
        for end in (writer, to_bucket):
            end.close()
        self._connections.discard(asyncio.current_task())

    def _count(self, request: bytes, answer: bytes) -> None:
        """As Google would: the emulator has never heard of ifGenerationNotMatch."""
        known = re.search(rb"ifGenerationNotMatch=(\d+)", request)
        found = re.search(rb"(?i)\r\nx-goog-generation: *(\d+)", answer)
        status = "304" if known and found and known[1] == found[1] else answer.split()[1].decode()
        self.counted[f"{request.split()[0].decode()} {status}"] += 1


class Stage:
    """Two clusters with a controller each, and the bucket. For one asyncio loop."""

    def __init__(self, planes: dict[str, ControlPlane], tenure: Path, quick: bool, locks: int | None) -> None:
        self.planes, self.tenure, self.quick, self.locks = planes, tenure, quick, locks
        self.apis: dict[str, Api] = {}
        self.controllers: dict[str, Program] = {}
        self.ways: dict[str, Way] = {}
        self._port = socket.socket()  # bound and never listened on, so that nobody else gets the port
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._port.bind(("127.0.0.1", 0))
        self._bucket: tuple[str, int] = self._port.getsockname()

    async def begin(self) -> None:
        self.apis = {side: Api(plane) for side, plane in self.planes.items()}
        await Program.start(["sh", "-c", 'exec "$@" >/dev/null', "sh", self.planes[EAST].program("fake-gcs-server"),
                             f"--port={self._bucket[1]}", f"--bucket={BUCKET}"])
        async with patience("the bucket"):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    (await asyncio.open_connection(*self._bucket))[1].close()
                    break
                await asyncio.sleep(0.1)
        await self.start_controllers()
        await all_of(self._warm_up(side) for side in SIDES)
        await self.end_controllers()

    async def _warm_up(self, side: str) -> None:
        """The first requests of a server are slow, and it has much to do after its start."""
        await self.apis[side].send("POST", LEASES, candidacy("warm-up", side, Timing()))
        end = time.monotonic() + (3 if self.quick else 20)
        while time.monotonic() < end:
            await self.apis[side].send("PATCH", f"{LEASES}/warm-up", candidacy("warm-up", side, Timing()))

    def epoch(self, lock: str) -> int:
        """That of the record in the bucket."""
        name = quote(f"leases/{NAMESPACE}/{lock}", safe="")
        url = f"http://{self._bucket[0]}:{self._bucket[1]}/storage/v1/b/{BUCKET}/o/{name}?alt=media"
        with WITHOUT_PROXY.open(url, timeout=PATIENCE) as answer:
            return int(json.load(answer)["leaseTransitions"])

    # ---- controllers

    async def start_controllers(self, *, counted: bool = False, late_by: float = 0) -> None:
        """Counted and late on their way to the bucket, or directly."""
        await self.end_controllers()
        if counted or late_by:
            self.ways = {side: Way(self._bucket, late_by) for side in SIDES}
        self._hosts = {side: await self.ways[side].open() if self.ways else "%s:%d" % self._bucket for side in SIDES}
        await all_of(self.start_controller(side) for side in SIDES)

    async def start_controller(self, side: str) -> None:
        self.controllers[side] = await Program.start([
            "env", f"STORAGE_EMULATOR_HOST={self._hosts[side]}", str(self.tenure), "controller",
            f"--gcs-bucket={BUCKET}", f"--cluster={side}", f"--kubeconfig={self.planes[side].kubeconfig}",
            "--health-addr=127.0.0.1:0", "--metrics-addr=127.0.0.1:0", "--log=json"])
        await self.controllers[side].says('"synced"')

    async def end_controllers(self) -> None:
        """And of the objects nothing is left."""
        if not all(program.tree() for program in self.controllers.values()):
            raise TrialFailed("a controller has ended by itself")
        await asyncio.gather(*(program.end() for program in self.controllers.values()))
        for way in self.ways.values():
            way.listener.close()  # connections end with the controller
        self.controllers, self.ways = {}, {}
        await all_of(self.apis[side].send("DELETE", LEASES) for side in SIDES)

    # ---- candidates

    async def go(self, side: str, lock: str, identity: str) -> Program:
        """client-go's elector; gives the lock back when it is asked to end."""
        return await Program.start([
            self.planes[side].program("mcl_client"), f"--kubeconfig={self.planes[side].kubeconfig}",
            f"--namespace={NAMESPACE}", f"--lease={lock}", f"--id={identity}", "--release-on-cancel",
            "--lease-duration=15s", "--renew-deadline=10s", "--retry-period=2s"])

    async def run(self, side: str, lock: str, identity: str, retry_period: str) -> Program:
        """Its command says its number, too."""
        url = (f"mcl://{NAMESPACE}?kubeconfig={quote(str(self.planes[side].kubeconfig))}"
               f"&lease-duration=15s&renew-deadline=10s&retry-period={retry_period}")
        return await Program.start([str(self.tenure), "run", f"--lock={url}", f"--identity={identity}", lock, "--",
                                    "sh", "-c", f"echo '{STARTED}' $$; exec sleep 1000"])


async def measure(stage: Stage, names: list[str]) -> list[Row]:
    rows: list[Row] = []
    try:
        await stage.begin()
        for name in names:
            say(f"{name} ... (load average {os.getloadavg()[0]:.1f})")
            await stage.start_controllers()
            rows += await MEASURES[name](stage)
            await stage.end_controllers()
    except Exception:
        for side, program in stage.controllers.items():
            for line in [line for _, line in program.lines if '"info"' not in line][-15:]:
                say(f"controller of {side}: {line}")
        for row in rows:
            say(f"{row.what}: {row.result}")
        raise
    finally:
        await Program.end_everybody()
    return rows


def print_table(rows: list[Row]) -> None:
    lines = [["measure", "bar", "result", ""]]
    lines += [[row.what, row.bar, row.result, {True: "met", False: "MISSED", None: ""}[row.met]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")


def arguments_given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="tenure controller in two clusters with one bucket")
    parser.add_argument("--tenure", type=Path, default=SOURCES / "build/release/bin/tenure", metavar="PROGRAM")
    parser.add_argument("--servers-bin", type=Path, default=SOURCES / "build/dev/bin", metavar="FOLDER",
                        help="where shared_control_plane is")
    parser.add_argument("--only", choices=MEASURES, help="one of the measures")
    parser.add_argument("--locks", type=int, metavar="N", help="for `many`, instead of 100, 500 and 1000")
    parser.add_argument("--quick", action="store_true", help="few trials: does it work?")
    parser.add_argument("-o", dest="output", choices=["text", "json"], default="text", help="json has every sample")
    arguments = parser.parse_args()
    for program, how in ((arguments.tenure, "make"), (arguments.servers_bin / "shared_control_plane", "make check")):
        if not program.is_file():
            parser.error(f"{program} does not exist; {how} builds it")
    return arguments


def run(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    daemon = arguments.servers_bin.resolve() / "shared_control_plane"
    planes = {side: ControlPlane(daemon, folder / side) for side in SIDES}
    load = [os.getloadavg()[0]]
    try:
        for plane in planes.values():
            plane.start()
        for plane in planes.values():
            plane.wait()
            plane.kubectl("apply", "--server-side", "-f", str(CRD))
            plane.kubectl("create", "namespace", NAMESPACE)
            plane.kubectl("wait", "--for=condition=Established", "-f", str(CRD), f"--timeout={PATIENCE:.0f}s")
        stage = Stage(planes, arguments.tenure.resolve(), arguments.quick, arguments.locks)
        rows = asyncio.run(measure(stage, [arguments.only] if arguments.only else list(MEASURES)))
    finally:
        for stopping in [plane.stop() for plane in planes.values()]:
            stopping.wait()
    load.append(os.getloadavg()[0])
    version = subprocess.check_output([arguments.tenure, "--version"], text=True).strip()
    if arguments.output == "json":
        print(json.dumps({"program": version, "loadAverage": load, "rows": [asdict(row) for row in rows]}, indent=1))
    else:
        print_table(rows)
        print(f"{version}; load average {load[0]:.1f} before, {load[1]:.1f} after")
    return rows


def main() -> int:
    arguments = arguments_given()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with tempfile.TemporaryDirectory(prefix="tenure-bench-") as folder:
            return 1 if any(row.met is False for row in run(arguments, Path(folder))) else 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (ControlPlaneError, TrialFailed, ExceptionGroup) as error:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        say(f"{type(error).__name__}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
