"""What bench/kubernetes.py measures, on one running control plane. README.md says what each means."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from contenders import (SPEAKS, STARTED, STOPPED, Link, Program, all_of, heartbeat, heartbeats, last_heartbeat, now,
                        patience, signal_all)
from control_plane import ControlPlane

SIDES = RUN, SIDECAR, GO = "tenure run", "tenure sidecar", "client-go"
WHOLE = "tenure run, all of it"  # frozen with its guardians and its command
KEEPS = "client-go, ReleaseOnCancel off"
TIMING = ["--lease-duration=15s", "--renew-deadline=10s", "--retry-period=2s"]  # of both sides
LONGEST_POLL = 4.4  # of client-go: 2 s and up to 120 % more
NAMESPACE = "bench"
LEADS = {  # what a candidate says then
    RUN: STARTED, WHOLE: STARTED, SIDECAR: "this candidate leads", GO: STARTED, KEEPS: STARTED}
FREEZE = 20.0  # at least
WATCHED_AFTER_THAW = 15.0
LATE = (4.5, 8.0)  # within client-go's own time-out (5 s), and beyond


@dataclass
class Row:
    what: str
    cells: dict[str, str] = field(default_factory=dict)
    samples: dict[str, list[object]] = field(default_factory=dict)

    def add(self, side: str, cell: str, samples: list[object]) -> None:
        self.cells[side] = cell
        self.samples[side] = samples


def say(text: str) -> None:
    print(f"kubernetes.py: {text}", file=sys.stderr, flush=True)


def spread(seconds: list[float]) -> str:
    """Of 100 or fewer samples the longest is the 99th percentile."""
    scale, unit, digits = (1, "s", 2) if max(seconds) >= 1 else (1000, "ms", 0 if max(seconds) > 0.01 else 1)
    median, longest = statistics.median(seconds) * scale, max(seconds) * scale
    return f"median {median:.{digits}f} {unit}, longest {longest:.{digits}f} {unit}"


def row_of_times(what: str, by_side: dict[str, list[float]]) -> Row:
    row = Row(what)
    for side, seconds in by_side.items():
        row.add(side, spread(seconds), list(seconds))
    return row


async def any_phase() -> None:
    """Of the renewals and of the polls."""
    await asyncio.sleep(random.uniform(0, LONGEST_POLL))


async def at_once(sides: tuple[str, ...], n: int,
                  trial: Callable[[str, int], Coroutine[Any, Any, list[float]]]) -> dict[str, list[float]]:
    """All trials of all sides, beside one another."""
    async def one(side: str, i: int) -> list[float]:
        await any_phase()
        return await trial(side, i)

    found = await all_of(one(side, i) for side in sides for i in range(n))
    return {side: sum(found[k * n:(k + 1) * n], []) for k, side in enumerate(sides)}


def lease_of(what: str, side: str, i: int) -> str:
    return re.sub("[^a-z0-9]+", "-", f"{what}-{side}-{i}".lower())


class Bench:
    def __init__(self, plane: ControlPlane, tenure: Path, folder: Path, quick: bool) -> None:
        self.plane, self.tenure, self.folder, self.quick = plane, tenure, folder, quick

    def words(self, side: str, lease: str, identity: str, work: list[str], kubeconfig: Path) -> list[str]:
        if side in (GO, KEEPS):
            return [self.plane.program("client_go"), f"--kubeconfig={kubeconfig}", f"--namespace={NAMESPACE}",
                    f"--lease={lease}", f"--id={identity}", f"--release-on-cancel={str(side == GO).lower()}", *TIMING]
        lock = f"--lock=k8s://{NAMESPACE}?kubeconfig={quote(str(kubeconfig))}"
        if side == SIDECAR:
            return [str(self.tenure), "sidecar", lock, *TIMING, f"--id={identity}", f"--lease-name={lease}",
                    "--addr=127.0.0.1:0"]
        return [str(self.tenure), "run", lock, *TIMING, f"--identity={identity}", lease, "--", *work]

    async def start(self, side: str, lease: str, identity: str, *, work: list[str] = SPEAKS,
                    kubeconfig: Path | None = None) -> Program:
        return await Program.start(self.words(side, lease, identity, work, kubeconfig or self.plane.kubeconfig))

    async def lead(self, side: str, lease: str, **more: object) -> Program:
        leader = await self.start(side, lease, f"{lease}-0", **more)  # type: ignore[arg-type]
        await leader.says(LEADS[side])
        return leader

    async def follow(self, side: str, lease: str, generation: int = 1) -> Program:
        """Returns when it has seen who leads."""
        follower = await self.start(side, lease, f"{lease}-{generation}")
        await follower.says(f"{lease}-{generation - 1}")
        return follower

    def behind(self, link: Link, lease: str) -> Path:
        """A kubeconfig that leads through the link."""
        file = self.folder / f"kubeconfig-{lease}"
        file.touch(0o600)
        file.write_text(self.plane.kubeconfig.read_text().replace(self.plane.server_url, link.url))
        return file

    # ---- change of the leader

    async def failover(self) -> list[Row]:
        async def trial(side: str, i: int) -> list[float]:
            lease = lease_of("failover", side, i)
            leader = await self.lead(side, lease)
            follower = await self.follow(side, lease)
            await any_phase()
            killed = leader.signal(signal.SIGKILL)
            began, _ = await follower.says(LEADS[side])
            await asyncio.gather(leader.end(), follower.end())
            return [began - killed]

        return [row_of_times("leader killed, to the next at work",
                             await at_once((RUN, GO), 2 if self.quick else 10, trial))]

    async def handover(self) -> list[Row]:
        async def trial(side: str, i: int) -> list[float]:
            lease = lease_of("handover", side, i)
            leader = await self.lead(side, lease)
            took = []
            for generation in range(1, 4):
                follower = await self.follow(side, lease, generation)
                await any_phase()
                asked = leader.signal(signal.SIGTERM)
                began, _ = await follower.says(LEADS[side])
                took.append(began - asked)
                await leader.end()
                leader = follower
            await leader.end()
            return took

        return [row_of_times("leader told to end, to the next at work",
                             await at_once((RUN, GO), 2 if self.quick else 10, trial))]

    # ---- the old leader at work although there is a new one

    async def frozen(self) -> list[Row]:
        async def trial(side: str, i: int) -> list[float]:
            lease = lease_of("frozen", side, i)
            beats = self.folder / f"{lease}.beats"
            leader = await self.lead(side, lease, work=heartbeat(beats))
            follower = await self.follow(side, lease)
            await any_phase()
            pids = leader.tree() if side == WHOLE else [leader.pid]
            frozen = signal_all(pids, signal.SIGSTOP)
            await follower.says(LEADS[side])
            await asyncio.sleep(max(0.0, frozen + FREEZE - now()))
            if side == SIDECAR:
                thawed, worked = await self.thaw_and_ask(leader)
            else:
                thawed = signal_all(pids[::-1], signal.SIGCONT)  # the command first: the worst order
                if side == GO:
                    worked = [(await leader.says(STOPPED, after=thawed))[0]]
                else:
                    await asyncio.sleep(WATCHED_AFTER_THAW)
                    worked = heartbeats(beats)
            await asyncio.gather(leader.end(), follower.end())
            return [max(0.0, at - thawed) for at in worked[-1:]] or [0.0]

        rows = [Row("leader frozen past its lease, then thawed: still at work for"),
                Row("the same, its guardians and its command frozen with it")]
        for side, seconds in (await at_once((*SIDES, WHOLE), 1 if self.quick else 3, trial)).items():
            cell = spread(seconds) if any(seconds) else "nothing"
            rows[side == WHOLE].add(RUN if side == WHOLE else side, cell, list(seconds))
        return rows

    async def thaw_and_ask(self, sidecar: Program) -> tuple[float, list[float]]:
        """Asks whether it leads, every 5 ms, the first time while it stands still; when it said yes."""
        _, line = await sidecar.says("listening on port")
        port = int(re.search(r"port (\d+)", line)[1])  # type: ignore[index]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        thawed, said_yes = 0.0, []
        while not thawed or now() < thawed + WATCHED_AFTER_THAW:
            writer.write(b"GET /api/is-leader HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            thawed = thawed or sidecar.signal(signal.SIGCONT)
            async with patience("an answer of the sidecar"):
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                await reader.readexactly(int(length[1]) if length else 0)
            if not head.startswith(b"HTTP/1.1 503 "):  # anything unexpected counts as a yes
                said_yes.append(now())
            await asyncio.sleep(0.005)
        writer.close()
        return thawed, said_yes

    async def late(self) -> list[Row]:
        async def trial(seconds: float, side: str, i: int) -> list[float]:
            lease = lease_of(f"late-{seconds}", side, i)
            beats = self.folder / f"{lease}.beats"
            link = await Link.open(self.plane.server_url)
            leader = await self.lead(side, lease, work=heartbeat(beats), kubeconfig=self.behind(link, lease))
            follower = await self.follow(side, lease)
            await any_phase()
            sent = await link.answer_late_then_cut(seconds)
            began, _ = await follower.says(LEADS[side], after=sent)
            ended = await last_heartbeat(beats) if side == RUN else (await leader.says(STOPPED))[0]
            await asyncio.gather(leader.end(), follower.end(), link.close())
            return [ended - began]

        n = 1 if self.quick else 3
        found = await all_of(at_once((RUN, GO, KEEPS), n, partial(trial, late)) for late in LATE)
        rows = []
        for late, by_side in zip(LATE, found):
            what = f"an answer {late:g} s late, then the network cut: two at work for"
            rows += [Row(what), Row("the same, ReleaseOnCancel off")]
            for side, overlaps in by_side.items():
                two = [f"{overlap:.2f} s" for overlap in sorted(overlaps) if overlap > 0]
                cell = (f"{', '.join(two)} ({len(two)} of {n})" if two else
                        f"never; {-max(overlaps):.1f} s between them at the least")
                rows[-1 if side == KEEPS else -2].add(GO if side == KEEPS else side, cell, list(overlaps))
        return rows

    # ---- what it costs

    def requests(self) -> Counter[str]:
        """For Leases, since the API server was started; a watch counts from its beginning."""
        counted: Counter[str] = Counter()
        for line in self.plane.kubectl("get", "--raw", "/metrics").splitlines():
            found = re.match(r"(apiserver_request_total|apiserver_longrunning_requests)\{(.*)\} (\S+)$", line)
            if found and 'resource="leases"' in found[2] and 'subresource=""' in found[2]:
                verb = re.search(r'verb="(\w+)"', found[2])
                counted[verb[1] if verb else "?"] += int(float(found[3]))
        return counted

    async def steady(self) -> list[Row]:
        requests = {0: Row("requests for each renewal, one candidate"), 1: Row("the same, and one follower")}
        memory = Row("memory of the leader: VmRSS, RssAnon, Pss")
        processor = Row("processor time for each renewal")
        # Every write of a Lease, because the API server renews one for itself, too.
        writes = await Program.start(self.plane.kubectl_words(
            "get", "leases", "--all-namespaces", "--watch-only", "--no-headers",
            "--output=custom-columns=N:.metadata.namespace"))
        await writes.says("kube-system")
        for side in SIDES:
            for followers in (0, 1):
                say(f"steady: {side}, {followers} followers")
                lease = lease_of("steady", side, followers)
                leader = await self.lead(side, lease)
                others = [await self.follow(side, lease)] if followers else []
                await asyncio.sleep(1 if self.quick else 10)
                # From just after one renewal to just after another, so that none is counted by half.
                begin, _ = await writes.says(NAMESPACE, after=now())
                used, counted = leader.processor_time(), await asyncio.to_thread(self.requests)
                await asyncio.sleep(8 if self.quick else 60)
                end, _ = await writes.says(NAMESPACE, after=now())
                used = leader.processor_time() - used
                counted = await asyncio.to_thread(self.requests) - counted
                written = Counter(line for at, line in writes.lines if begin < at <= end)
                counted["PUT"] -= written["kube-system"]
                renewals = written[NAMESPACE]
                each = ", ".join(f"{verb} {n / renewals:.2f}" for verb, n in sorted(counted.items()) if n)
                requests[followers].add(side, each, [dict(counted), {"renewals": renewals}])
                if not followers:
                    kilobytes = leader.memory()
                    memory.add(side, ", ".join(f"{kb / 1024:.1f}" for kb in kilobytes.values()) + " MiB", [kilobytes])
                    processor.add(side, f"{used / renewals * 1000:.2f} ms", [used, renewals])
                await asyncio.gather(*(program.end() for program in (leader, *others)))
        await writes.end()
        return [*requests.values(), memory, processor]

    async def startup(self) -> list[Row]:
        first: dict[str, list[float]] = {side: [] for side in SIDES}
        leading: dict[str, list[float]] = {side: [] for side in SIDES}
        for i in range(3 if self.quick else 20):
            for side in SIDES:
                lease = lease_of("startup", side, i)
                link = await Link.open(self.plane.server_url)
                program = await self.lead(side, lease, kubeconfig=self.behind(link, lease))
                first[side].append(link.first_byte.result() - program.began)
                leading[side].append((await program.says(LEADS[side]))[0] - program.began)
                await asyncio.gather(program.end(), link.close())
        return [row_of_times("start, to the first byte at the API server", first),
                row_of_times("start, to the work, on a new Lease", leading)]


MEASURES = {"failover": Bench.failover, "handover": Bench.handover, "frozen": Bench.frozen, "late": Bench.late,
            "steady": Bench.steady, "startup": Bench.startup}
