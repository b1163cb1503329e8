"""What bench/multicluster.py measures. README.md says what each means."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from contenders import STARTED, STOPPED, Program, TrialFailed, all_of, now, patience, signal_all

if TYPE_CHECKING:
    from multicluster import Stage

SIDES = EAST, WEST = "east", "west"
NAMESPACE = "bench"
GROUP = "multicluster.core.cnrm.cloud.google.com"
LEASES = f"/apis/{GROUP}/v1alpha1/namespaces/{NAMESPACE}/multiclusterleases"


@dataclass(frozen=True)
class Timing:
    lease: int = 15
    renew: int = 10
    retry: int = 2


@dataclass
class Row:
    what: str
    result: str
    bar: str = ""
    met: bool | None = None  # there is no bar
    samples: list[Any] = field(default_factory=list)


def say(text: str) -> None:
    print(f"multicluster.py: {text}", file=sys.stderr, flush=True)


def row_of_times(what: str, seconds: list[float], median: float, longest: float | None = None) -> Row:
    """Of 100 or fewer samples the longest is the 99th percentile."""
    middle, last = statistics.median(seconds), max(seconds)
    bar = f"median {median:g} s" + (f", longest {longest:g} s" if longest else "")
    return Row(what, f"median {middle:.2f} s, longest {last:.2f} s, n={len(seconds)}", bar,
               middle <= median and (longest is None or last <= longest), list(seconds))


def percentiles(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p50, p99 = (ordered[(len(ordered) * percent - 1) // 100] * 1000 for percent in (50, 99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {ordered[-1] * 1000:.1f} ms"


async def any_phase() -> None:
    await asyncio.sleep(random.uniform(0, 4.4))  # the longest between two renewals in the bucket, or looks of client-go


async def any_phase_of_asking(stage: Stage, side: str, lock: str, identity: str) -> None:
    """A Go candidate that waits asks for the lock for its lease duration, sleeps for 2 to 4.4 s, and asks again; but
    not before what it sees has stood still for a lease. Its own first question may change that: it states a duration."""
    asked: set[int] = set()
    while len(asked) < 2:
        await asyncio.sleep(0.5)
        found = await stage.apis[side].get(f"{LEASES}/{lock}")
        if found["spec"]["holderIdentity"] == identity:
            asked.add(found["metadata"]["generation"])
    await asyncio.sleep(random.uniform(0, Timing().lease + 4.4))


def candidacy(name: str, identity: str, timing: Timing) -> dict[str, Any]:
    """An object, or a merge patch for one, as the Go clients write it."""
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": "MultiClusterLease", "metadata": {"name": name},
            "spec": {"holderIdentity": identity, "leaseDurationSeconds": timing.lease,
                     "retryPeriodSeconds": timing.retry,
                     "renewTime": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}


# ---- change of the leader

Candidate = Callable[[str, str, str], Coroutine[Any, Any, Program]]


async def changes(stage: Stage, name: str, candidate: Candidate, hit: Callable[[Program], float], what: str,
                  median: float, longest: float) -> list[Row]:
    """From the hit to the first word of the other side's, to and fro on several locks at once."""
    async def one(i: int) -> list[float]:
        lock = f"{name}-{i}"
        leader, took = await candidate(EAST, lock, f"{lock}-0"), []
        await leader.says(STARTED)
        for generation in range(1, 1 + (2 if stage.quick else 3)):
            side, identity = SIDES[generation % 2], f"{lock}-{generation}"
            follower = await candidate(side, lock, identity)
            await follower.says(f"{lock}-{generation - 1}")  # it has seen who leads
            await (any_phase_of_asking(stage, side, lock, identity) if candidate == stage.go else any_phase())
            at = hit(leader)
            took.append((await follower.says(STARTED))[0] - at)
            await leader.end()
            leader = follower
        await leader.end()
        return took

    took = await all_of(one(i) for i in range(2 if stage.quick else 5))
    return [row_of_times(f"{what}, to the next at work", sum(took, []), median, longest)]


killed, told_to_end = (partial(Program.signal, number=number) for number in (signal.SIGKILL, signal.SIGTERM))


def command_killed(program: Program) -> float:
    return signal_all([next(int(line.split()[-1]) for _, line in program.lines if STARTED in line)], signal.SIGKILL)


# ---- the controllers

async def candidates(stage: Stage, locks: list[str], generation: int) -> list[Program]:
    """Of Go, one for each lock. The first ones lead, the others have seen who does."""
    programs = await all_of(stage.go(SIDES[generation % 2], lock, f"{lock}-{generation}") for lock in locks)
    await all_of(program.says(f"{lock}-{generation - 1}" if generation else STARTED)
                 for program, lock in zip(programs, locks))
    return programs


# The longest pause between two renewals of a Go candidate, and a look at the bucket. A controller that has seen no
# renewal yet must count a lease from its first look.
SETTLED = 8


async def controller_killed(stage: Stage) -> list[Row]:
    locks, times = [f"controller-killed-{i}" for i in range(6)], list[tuple[float, float]]()
    leaders, followers = await candidates(stage, locks, 0), await candidates(stage, locks, 1)
    for generation in range(1, 1 + (1 if stage.quick else 5)):
        await asyncio.sleep(SETTLED)
        await any_phase()
        side = SIDES[(generation - 1) % 2]
        at = killed(stage.controllers[side])
        stopped = await all_of(leader.says(STOPPED) for leader in leaders)
        started = await all_of(follower.says(STARTED) for follower in followers)
        times += [(began - ended, began - at) for (ended, _), (began, _) in zip(stopped, started)]
        await asyncio.gather(*(leader.end() for leader in leaders))
        await stage.start_controller(side)
        leaders, followers = followers, await candidates(stage, locks, generation + 1)
    await asyncio.gather(*(program.end() for program in leaders + followers))
    gaps, took = map(list, zip(*times))
    return [row_of_times("controller killed, to the next leader at work", took, 17.5),
            Row("the same, from the old leader's stop to the new one's start",
                f"shortest {min(gaps):.2f} s, median {statistics.median(gaps):.2f} s", "never negative",
                min(gaps) >= 0, gaps)]


async def controller_restart(stage: Stage) -> list[Row]:
    locks = [f"controller-restart-{i}" for i in range(3)]
    leaders, followers = await candidates(stage, locks, 0), await candidates(stage, locks, 1)
    n, before = 1 if stage.quick else 5, [stage.epoch(lock) for lock in locks]
    for _ in range(n):
        await any_phase()
        killed(stage.controllers[EAST])
        await stage.start_controller(EAST)
        await asyncio.sleep(20)  # the others wait for 17.4 s
    after = [stage.epoch(lock) for lock in locks]
    stops = sum(STOPPED in line for leader in leaders for _, line in leader.lines)
    await all_of(program.end() for program in leaders + followers)
    return [Row(f"controller killed and started again {n} times, 3 locks: transitions, stops",
                f"{sum(after) - sum(before)}, {stops}", "0, 0", before == after and stops == 0, [before, after])]


# ---- what it costs

def listed(counted: Counter[str]) -> str:
    return ", ".join(f"{n} {what}" for what, n in sorted(counted.items()) if n) or "none"


async def api_requests(stage: Stage, side: str) -> Counter[str]:
    """For MultiClusterLeases since the server was started; a watch counts from its beginning."""
    counted: Counter[str] = Counter()
    for line in (await stage.apis[side].send("GET", "/metrics")).decode().splitlines():
        found = re.match(r"(apiserver_request_total|apiserver_longrunning_requests)\{(.*)\} (\S+)$", line)
        if found and 'resource="multiclusterleases"' in found[2]:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', found[2]))
            counted[f"{labels['verb']} {labels['subresource']}".strip()] += int(float(found[3]))
    return counted


async def steady(stage: Stage) -> list[Row]:
    await stage.start_controllers(counted=True)
    programs = await candidates(stage, ["steady"], 0) + await candidates(stage, ["steady"], 1)
    await asyncio.sleep(2 if stage.quick else 20)

    async def figures(side: str) -> tuple[int, Counter[str], Counter[str], float]:
        answered = (await stage.apis[side].get(f"{LEASES}/steady"))["status"]["observedGeneration"]
        return (answered, Counter(stage.ways[side].counted), await api_requests(stage, side),
                stage.controllers[side].processor_time())
    seconds = 10 if stage.quick else 60
    before = {side: await figures(side) for side in SIDES}
    await asyncio.sleep(seconds)
    after = {side: await figures(side) for side in SIDES}
    heartbeats = max(1, after[EAST][0] - before[EAST][0])
    rows = [Row(f"heartbeats acknowledged in {seconds} s, one lock", str(heartbeats))]
    for side, role in zip(SIDES, ("leader's", "waiting")):
        bucket, server = after[side][1] - before[side][1], after[side][2] - before[side][2]
        server["GET"] -= 1  # ours
        cost, memory = after[side][3] - before[side][3], stage.controllers[side].memory()
        rows += [Row(f"{role} cluster: requests to the bucket", listed(bucket), samples=[dict(bucket)]),
                 Row("to the API server, its candidate's with them", listed(server), samples=[dict(server)]),
                 Row("for each heartbeat: status writes, processor time; VmRSS, RssAnon",
                     f"{server['PATCH status'] / heartbeats:.2f}, {cost * 1000 / heartbeats:.2f} ms; "
                     f"{memory['VmRSS'] / 1024:.1f}, {memory['RssAnon'] / 1024:.1f} MiB", samples=[cost, memory])]
    conditions = (await stage.apis[WEST].get(f"{LEASES}/steady"))["status"]["conditions"]
    healthy = next(each["status"] for each in conditions if each["type"] == "BackendHealthy")
    await all_of(program.end() for program in programs)
    return [*rows, Row("BackendHealthy where the candidate waits", healthy, "True", healthy == "True")]


@dataclass
class Lock:
    answered, answered_at, epoch, leads = 0, 0.0, 0, False  # told by the watch: which generation is, and when
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Load:
    """Candidates of many locks in the east, which write heartbeats as the Go clients do, and in the west, which
    wait and ask as those do."""

    def __init__(self, stage: Stage, names: list[str], timing: Timing, group: asyncio.TaskGroup) -> None:
        self.apis, self.timing, self.group = stage.apis, timing, group
        self.locks = {name: Lock() for name in names}
        self.tasks = [group.create_task(self.watch())]
        self.took: list[float] = []  # from a heartbeat's sending, until the watch tells that it is acknowledged
        self.late: list[float] = []  # sent after its time
        self.written: list[float] = []  # until the API server has answered
        self.unanswered = self.losses = 0

    async def begin(self, names: list[str]) -> None:
        """Returns when these lead; 50 begin in a second, so that heartbeats are spread."""
        for name in names:
            self.tasks.append(self.group.create_task(self.live(name, self.locks[name])))
            await asyncio.sleep(0.02)
        async with patience("all candidates to lead"):
            while not all(self.locks[name].leads for name in names):
                await asyncio.sleep(0.1)
        for name in names:
            await self.apis[WEST].send("POST", LEASES, candidacy(name, f"{name}-west", self.timing))
            self.tasks.append(self.group.create_task(self.wait(name)))

    async def wait(self, name: str) -> None:
        while True:
            pause = self.timing.retry * random.uniform(1, 2.2)
            await asyncio.sleep(self.timing.lease + pause)
            await self.apis[WEST].send("PATCH", f"{LEASES}/{name}", candidacy(name, f"{name}-west", self.timing))

    async def watch(self) -> None:
        async for event in self.apis[EAST].watch(LEASES):
            lock, status = self.locks.get(event["object"]["metadata"]["name"]), event["object"].get("status")
            if lock is None or status is None:
                continue
            leads, epoch = status.get("isLeader", False), status.get("globalLeaseTransitions", 0)
            self.losses += lock.leads and (not leads or epoch > lock.epoch)
            lock.leads, lock.epoch = leads, epoch
            if status.get("observedGeneration", 0) > lock.answered:
                lock.answered, lock.answered_at = status["observedGeneration"], now()
            lock.news.set()

    async def live(self, name: str, lock: Lock) -> None:
        method, path, due = "POST", LEASES, now()
        while True:
            await asyncio.sleep(max(0.0, due - now()))
            sent = now()
            self.late.append(sent - due)
            answer = await self.apis[EAST].send(method, path, candidacy(name, f"{name}-east", self.timing))
            self.written.append(now() - sent)
            generation = json.loads(answer)["metadata"]["generation"]
            try:
                async with asyncio.timeout(self.timing.renew):
                    while not (lock.answered >= generation and lock.leads):
                        lock.news.clear()
                        await lock.news.wait()
                self.took.append(lock.answered_at - sent)
            except TimeoutError:
                self.unanswered += 1
            due = max(due + self.timing.retry, now())  # after a late answer at once
            method, path = "PATCH", f"{LEASES}/{name}"


async def many_locks(stage: Stage, n: int, timing: Timing, late_by: float) -> list[Row]:
    what = f"{n} locks, D={timing.lease} r={timing.renew} p={timing.retry}, bucket {late_by * 1000:.0f} ms away"
    await stage.start_controllers(late_by=late_by)
    seconds = 10 if stage.quick else 60

    async def processor_times() -> list[float]:
        """Of the controllers, of the API servers, and our own."""
        metrics = [(await stage.apis[side].send("GET", "/metrics")).decode() for side in SIDES]
        return [*(stage.controllers[side].processor_time() for side in SIDES),
                *(float(re.findall(r"(?m)^process_cpu_seconds_total (\S+)", text)[0]) for text in metrics),
                time.process_time()]
    async with asyncio.TaskGroup() as group:
        load = Load(stage, names := [f"many-{n}-{late_by:g}-{i}" for i in range(n)], timing, group)
        await asyncio.sleep(1)  # the watch
        await load.begin(names[:1])
        first = [stage.controllers[side].memory()["VmRSS"] / 1024 for side in SIDES]
        await load.begin(names[1:])
        await asyncio.sleep(2 if stage.quick else 20)
        say(f"many: {what}: all lead; {load.losses} were lost until here")
        before = await processor_times()
        load.took, load.late, load.written, load.unanswered, load.losses = [], [], [], 0, 0
        await asyncio.sleep(seconds)
        took, late, written, losses, unanswered = load.took, load.late, load.written, load.losses, load.unanswered
        everybody = [stage.controllers[side].memory()["VmRSS"] / 1024 for side in SIDES]
        east, west, *others = (end - begin for begin, end in zip(before, await processor_times()))
        for task in load.tasks:
            task.cancel()
    each, (east_server, west_server, own) = east * 1000 / len(took), (used / seconds * 100 for used in others)
    return [Row(f"{what}: heartbeat to its acknowledgement", f"{percentiles(took)}, n={len(took)}", samples=took),
            Row("of which until the API server had written it", percentiles(written), samples=written),
            Row(f"lost in {seconds} s; heartbeats without an answer for {timing.renew} s", f"{losses}; {unanswered}",
                "0; 0", losses == unanswered == 0),
            Row("leader's controller: processor time for each; VmRSS with one lock, with all",
                f"{each:.2f} ms; {first[0]:.1f}, {everybody[0]:.1f} MiB", samples=[east]),
            Row("waiting controller: processor time; VmRSS with one lock, with all",
                f"{west / seconds * 100:.1f} % of a core; {first[1]:.1f}, {everybody[1]:.1f} MiB", samples=[west]),
            Row("processor time of the API servers, leader's and waiting; of the load",
                f"{east_server:.0f} %, {west_server:.0f} %; {own:.0f} % of a core", samples=others),
            Row("how late the load was with its heartbeats", percentiles(late), samples=late)]


async def many(stage: Stage) -> list[Row]:
    usual, slow = Timing(), Timing(60, 30, 10)
    cases = [(100, usual, 0.0), (1000, slow, 0.0), (500, usual, 0.0), (500, usual, 0.05)]  # the hardest last
    if n := stage.locks or (20 if stage.quick else 0):
        cases = [(n, usual if n <= 500 else slow, late_by) for late_by in (0.0, 0.05)]
    rows: list[Row] = []
    for n, timing, late_by in cases:
        try:
            rows += await many_locks(stage, n, timing, late_by)
        except* TrialFailed as failed:  # more than this machine can do, perhaps
            rows.append(Row(f"{n} locks, bucket {late_by * 1000:.0f} ms away", str(failed.exceptions[0]), "", False))
    return rows


MEASURES: dict[str, Callable[[Stage], Coroutine[Any, Any, list[Row]]]] = {
    "failover": lambda stage: changes(stage, "failover", stage.go, killed, "Go candidate killed", 17, 20.5),
    "release": lambda stage: changes(stage, "release", stage.go, told_to_end, "Go candidate told to end", 3, 6),
    "run-killed": lambda stage: changes(stage, "run-killed", partial(stage.run, retry_period="2s"), command_killed,
                                        "command of tenure run killed", 1.5, 3),
    "run-release": lambda stage: changes(stage, "run-release", partial(stage.run, retry_period="1s"), told_to_end,
                                         "tenure run told to end, p=1", 1.1, 2),
    "controller-killed": controller_killed, "controller-restart": controller_restart, "steady": steady, "many": many}
