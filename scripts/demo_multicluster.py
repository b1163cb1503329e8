#!/usr/bin/env -S python3 -B
"""Three Kubernetes clusters that know nothing of each other share one lock in a bucket: `make demo-multicluster`.

Clusters and bucket are real servers of this machine (tests/servers/README.md). In each cluster a `tenure controller`
talks to the bucket, and an application, `tenure run` with a command, talks only to its own API server.

Exits with 0 when everything that tenure promises was kept, 1 when not, 130 after Ctrl-C, and ends all that
it has started. Should it be killed by SIGKILL, its clusters end by themselves after two hours.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo_kubernetes import CLUSTERS, MOMENT, ROOT, SIGNALS, Measured, interrupted, kubeconfig
from control_plane import ControlPlane, ControlPlaneError  # from where demo_kubernetes finds it
from demo_stage import PATIENCE, Broken, Screen, seconds, shown

LOCK = "job"
BUCKET = "locks"
SETTINGS = "lease-duration=8s&renew-deadline=5s&retry-period=1s"
INTRODUCTION = """\
Three Kubernetes clusters share one lock, and nothing but a bucket. Each is a kube-apiserver with an etcd of its own.
There is no kubelet: the controller and the application of a cluster are processes of this machine. The application
knows its own cluster only, its controller also the bucket. This takes about a minute.
"""
# What the applications do. The kernel lets one process at a time lock the file, and knows when that has ended.
WORK = """\
import fcntl, os, signal, sys, time
book = open(sys.argv[1], "a")
def write(what):
    print(time.monotonic(), sys.argv[2], os.environ["TENURE_EPOCH"], os.getpid(), what, file=book, flush=True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
try:
    fcntl.flock(book, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    write("beside another")
write("begins")
signal.sigwait([signal.SIGTERM])
write("ends")
"""


@dataclass
class Entry:
    """What a command has written; all times here are seconds of the monotonic clock."""

    at: float
    cluster: str
    epoch: int
    pid: int
    ended: float = 0.0  # of one that began


class Process:
    """That never outlives us. In a session of its own, so that Ctrl-C is for us alone."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name, self._command, self._environment, self.log = name, command, environment, log
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._began = log.tell()
            self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self._command], env=self._environment,
                                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                                             start_new_session=True)

    def kill(self) -> None:
        """Only itself: what `tenure run` has started is ended by what it leaves behind for that."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self, event: str) -> str | None:
        """The message of the first such event since its start; it logs JSON."""
        ended = not self.runs()
        for line in self.log.read_bytes()[self._began:].decode(errors="replace").splitlines(keepends=True):
            if line.startswith("{") and line.endswith("}\n") and json.loads(line).get("event") == event:
                return str(json.loads(line)["message"])
        if ended:
            raise Broken(f"{self.name} has ended by itself")
        return None


class Story:
    def __init__(self, screen: Screen, tenure: Path, daemon: Path, folder: Path) -> None:
        self.screen, self.tenure, self.folder, self.book = screen, str(tenure), folder, folder / "book"
        self.planes = {name: ControlPlane(daemon, folder / name) for name in CLUSTERS}  # those that live
        self.controllers: dict[str, Process] = {}
        self.applications: dict[str, Process] = {}
        self.processes: list[Process] = []
        self.tenures: list[Entry] = []
        self.failover = self.handover = 0.0  # promised
        self.measured: list[Measured] = []
        self.broken: list[str] = []
        self.environment: dict[str, str] = {}

    # --- the stage ---

    def prepare(self) -> None:
        self.screen.say(INTRODUCTION)
        self.screen.tell(f"starting {', '.join(self.planes)} and the bucket; about ten seconds, 1 GB of memory ...")
        for plane in self.planes.values():
            plane.start()
        for plane in self.planes.values():
            plane.wait()
            plane.kubectl("apply", "--server-side", "-f", str(ROOT / "deploy/controller/base/crd.yaml"))
        config = self.folder / "kubeconfig"
        config.touch(0o600)
        config.write_text(kubeconfig(self.planes))
        self.book.touch()
        # Nothing of the user's own configuration.
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "KUBECONFIG": str(config)}
        self.start_bucket()
        for name in self.planes:
            self.controllers[name] = self.process(f"{name}-controller", [
                self.tenure, "controller", f"--gcs-bucket={BUCKET}", f"--cluster={name}", f"--context={name}",
                "--health-addr=127.0.0.1:0", "--metrics-addr=127.0.0.1:0", "--log=json"])
            self.controllers[name].start()
            self.applications[name] = self.process(f"{name}-application", [
                self.tenure, "run", f"--lock=mcl://{name}/default?{SETTINGS}", f"--identity={name}", "--log=json", LOCK,
                "--", sys.executable, "-I", "-S", "-c", WORK, str(self.book), name])
        for controller in self.controllers.values():
            self.until(lambda: controller.said("synced"), f"{controller.name} to see its cluster")
        time.sleep(2)  # for so long an API server hesitates to create what it has just heard of
        self.screen.tell("all three answer, and each has a tenure controller")

    def process(self, name: str, words: list[str]) -> Process:
        self.processes.append(Process(name, words, self.environment, self.folder / f"{name}.log"))
        return self.processes[-1]

    def start_bucket(self) -> None:
        self.port = socket.socket()  # bound and never listened on, so that nobody else gets the port
        self.port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.port.bind(("127.0.0.1", 0))
        host, port = self.port.getsockname()
        self.environment["STORAGE_EMULATOR_HOST"] = f"{host}:{port}"
        program = next(iter(self.planes.values())).program("fake-gcs-server")
        self.process("bucket", [program, f"--port={port}", f"--bucket={BUCKET}"]).start()
        with socket.socket() as visitor:
            self.until(lambda: visitor.connect_ex((host, port)) == 0, "the bucket to answer")

    def clean_up(self) -> None:
        for process in self.processes:
            process.kill()
        for stopping in [plane.stop() for plane in self.planes.values()]:  # all at once
            stopping.wait()

    # --- the acts ---

    def somebody_leads(self) -> None:
        self.screen.title("1. Somebody leads")
        since = time.monotonic()
        for application in self.applications.values():
            application.start()
        for application in self.applications.values():
            said = self.until(lambda: application.said("starting"), f"{application.name} to start")
        promise = re.search(r"survives .*a new leader within (\S+) of a crash; planned hand-over within (\S+)$", said)
        if not promise:
            raise Broken(f"the application does not say what it promises: {said}")
        self.failover, self.handover = seconds(promise[1]), seconds(promise[2])
        self.screen.tell(f"each tenure run promises at its start: {promise[0]}")
        self.next_leader("first leader", self.failover, since)

    def command_killed(self) -> None:
        old = self.leader()
        self.screen.title("2. The leader's command is killed")
        self.screen.tell(f"kill -9 the command in {self.screen.name(old.cluster)}; its tenure run gives the lock back")
        since = old.ended = time.monotonic()
        os.kill(old.pid, signal.SIGKILL)
        self.next_leader("hand-over of a dead command", self.handover, since)
        application = self.applications[old.cluster]
        self.until(lambda: not application.runs(), f"{application.name} to end as its command did")
        application.start()
        self.until(lambda: application.said("waiting"), f"{application.name} to wait")
        self.screen.tell(f"{self.screen.name(old.cluster)} has a new application, which waits")

    def controller_killed(self) -> None:
        old = self.leader()
        self.screen.title("3. The leader's controller is killed")
        self.screen.tell(f"kill -9 the controller in {self.screen.name(old.cluster)}; nobody answers its application")
        since = time.monotonic()
        self.controllers[old.cluster].kill()
        old.ended = self.until(lambda: self.entries("ends"), f"{old.cluster}'s command to stop")[-1].at
        self.screen.tell(f"{self.screen.name(old.cluster)}'s command has stopped, {shown(old.ended - since)} later")
        self.next_leader("fail-over, controller killed", self.failover, since)
        self.controllers[old.cluster].start()
        self.controllers_know()
        self.screen.tell(f"{self.screen.name(old.cluster)} has a new controller, which knows who leads")

    def cluster_killed(self) -> None:
        old = self.leader()
        self.screen.title("4. The leader's whole cluster is killed")
        self.screen.tell(f"kill -9 all of {self.screen.name(old.cluster)}: application, controller, API server, etcd")
        since = old.ended = time.monotonic()
        stopping = self.planes.pop(old.cluster).stop()
        self.applications[old.cluster].kill()
        self.controllers[old.cluster].kill()
        stopping.wait()
        self.next_leader("fail-over, cluster killed", self.failover, since)

    def what_kubectl_sees(self) -> None:
        self.screen.title("5. What kubectl sees, in the clusters that are left")
        for name in self.planes:
            self.show("kubectl", "--context", name, "get", "mcl", "-A")

    def summary(self) -> None:
        self.screen.title("6. Who was at work, how soon, and what was promised")
        for work, m in zip(self.tenures, self.measured):
            end = f"to {self.on_screen(work.ended)}" if work.ended else "until now "
            verdict = self.screen.paint("kept", "32") if m.kept() else self.screen.paint("BROKEN", "31")
            self.screen.say(f"  epoch {work.epoch}  {self.screen.name(work.cluster)}{' ' * (11 - len(work.cluster))}"
                            f"from {self.on_screen(work.at)} {end}   {m.what:<28}{shown(m.took):>7}   "
                            f"promised {shown(m.promised):>7}   {verdict}")

    # --- steps of an act ---

    def until(self, probe: Callable[[], Any], what: str, end: float = 0.0) -> Any:
        end = end or time.monotonic() + PATIENCE
        while not (found := probe()):
            if time.monotonic() > end:
                raise Broken(f"waited in vain for {what}")
            time.sleep(0.01)
        return found

    def entries(self, what: str) -> list[Entry]:
        entries = []
        for line in self.book.read_text().splitlines():
            at, cluster, epoch, pid, happened = line.split(maxsplit=4)
            if happened == "beside another":
                raise Broken(f"two commands were at work at once: {cluster}'s began with epoch {epoch} beside another")
            if happened == what:
                entries.append(Entry(float(at), cluster, int(epoch), int(pid)))
        return entries

    def leader(self) -> Entry:
        if len(self.entries("begins")) > len(self.tenures):
            raise Broken("the leader has changed though nothing was killed; is this machine too busy?")
        return self.tenures[-1]

    def next_leader(self, what: str, promised: float, since: float) -> None:
        known = len(self.tenures)
        new = self.until(lambda: self.entries("begins")[known:], "a new leader", since + 2 * promised + PATIENCE)[0]
        if known and new.epoch <= self.tenures[-1].epoch:
            self.broken.append(f"{new.cluster} leads with epoch {new.epoch} after {self.tenures[-1].epoch}")
        self.tenures.append(new)
        self.measured.append(measured := Measured(what, new.at - since, promised))
        self.screen.tell(f"{self.screen.name(new.cluster)}'s command is at work with epoch {new.epoch}, "
                         f"{shown(measured.took)} later (promised: within {shown(promised)})")
        if not measured.kept():
            self.broken.append(f"{what} took {shown(measured.took)}, longer than the promised {shown(promised)}")
        self.controllers_know()
        self.show("tenure", "status", f"--lock=gs://{BUCKET}")
        time.sleep(MOMENT)
        self.leader()  # is still the only one

    def controllers_know(self) -> None:
        epoch, question = str(self.tenures[-1].epoch), "--output=jsonpath={.status.fencingToken}"
        for name, plane in self.planes.items():
            if self.controllers[name].runs():
                self.until(lambda: plane.kubectl("get", "mcl", LOCK, "--ignore-not-found", question) == epoch,
                           f"{name} to know the leader")

    def show(self, program: str, *words: str) -> None:
        self.screen.say(self.screen.paint(f"$ {shlex.join([program, *words])}", "2"))
        path = self.tenure if program == "tenure" else next(iter(self.planes.values())).program(program)
        done = subprocess.run([path, *words], env=self.environment, text=True, capture_output=True,
                              start_new_session=True, timeout=PATIENCE, check=False)
        if done.returncode != 0:
            raise Broken(f"{shlex.join([program, *words])} failed: {done.stderr.strip()}")
        self.screen.say("  " + done.stdout.strip().replace("\n", "\n  "))

    def on_screen(self, at: float) -> str:
        return f"{self.screen.passed() - (time.monotonic() - at):6.2f}s"

    def play(self) -> None:
        for act in (self.prepare, self.somebody_leads, self.command_killed, self.controller_killed,
                    self.cluster_killed, self.what_kubectl_sees, self.summary):
            act()


def perform(story: Story, screen: Screen) -> int:
    try:
        story.play()
    except KeyboardInterrupt:
        return 130
    except (Broken, ControlPlaneError, OSError, subprocess.TimeoutExpired) as error:
        story.broken.append(str(error) or repr(error))
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        story.clean_up()
    for process in story.processes if story.broken else []:
        for line in process.log.read_text(errors="replace").splitlines()[-20:] if process.log.exists() else []:
            screen.say(f"  {process.name} | {line}")
    for what in story.broken:
        print(f"the demo failed: {what}", file=sys.stderr)
    return 1 if story.broken else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Three Kubernetes clusters share one lock in a bucket.")
    parser.add_argument("--tenure", type=Path, default=ROOT / "build/release/bin/tenure", help="[%(default)s]")
    parser.add_argument("--control-plane", type=Path, default=ROOT / "build/dev/bin/shared_control_plane",
                        help="what starts the clusters [%(default)s]")
    arguments = parser.parse_args()
    for program in (arguments.tenure, arguments.control_plane):
        if not program.is_file():
            parser.error(f"{program} does not exist; `make demo-multicluster` builds it")
    for number in SIGNALS:
        signal.signal(number, interrupted)
    screen = Screen(CLUSTERS)
    with tempfile.TemporaryDirectory(prefix="tenure-demo-", ignore_cleanup_errors=True) as folder:
        story = Story(screen, arguments.tenure.resolve(), arguments.control_plane.resolve(), Path(folder))
        code = perform(story, screen)
    screen.say(f"\n{screen.passed():.0f}s in all; everything that was started has ended")
    return code


if __name__ == "__main__":
    sys.exit(main())
