#!/usr/bin/env -S python3 -B
"""Three Kubernetes clusters contend for one Lease in a fourth, the hub: `make demo-kubernetes`.

Each cluster is a real kube-apiserver with an etcd of its own (tests/servers/README.md). No kubelet runs: a
cluster has a Pod object, and the `tenure sidecar` that would run in it is a process of this machine. Its
lock is the hub's Lease; its hooks label the Pod in its own cluster.

Exits with 0 when everything that tenure promises was kept, 1 when not, 130 after Ctrl-C, and ends all that
it has started. Should it be killed by SIGKILL, its clusters end by themselves after two hours.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "servers"))
from control_plane import ControlPlane, ControlPlaneError  # noqa: E402
from demo_stage import PATIENCE, Broken, News, Screen, Sidecar, ask, seconds, shown  # noqa: E402

HUB = "hub"
CLUSTERS = {"napoleon": "1;34", "cleopatra": "1;33", "stalin": "1;31"}  # and their colours
LEASE = "crown"
LABEL = "tenure.dev/leader"
SETTINGS = ["--lease-duration=8s", "--renew-deadline=5s", "--retry-period=1s"]
MOMENT = 1.5  # seconds, for people to look at
INTRODUCTION = """\
Three Kubernetes clusters contend for one Lease in a fourth, the hub. Each is a kube-apiserver with an etcd of its own.
There is no kubelet: the three have a Pod each, whose sidecar is a process of this machine. Whichever leads labels its
Pod, in its own cluster. This takes about forty seconds.
"""
QUESTIONS = 8  # that wait for a sidecar when it wakes up
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Measured:
    what: str
    took: float
    promised: float

    def kept(self) -> bool:
        return self.took <= self.promised


def kubeconfig(planes: dict[str, ControlPlane]) -> str:
    """A context for each cluster, named like it. JSON is YAML."""
    merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": HUB,
                              "clusters": [], "users": [], "contexts": []}
    for name, plane in planes.items():
        cluster = {"server": plane.server_url, "certificate-authority": plane.values["TENURE_TEST_CA_FILE"]}
        merged["clusters"].append({"name": name, "cluster": cluster})
        merged["users"].append({"name": name, "user": {"token": plane.values["TENURE_TEST_TOKEN"]}})
        merged["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    return json.dumps(merged)


class Story:
    def __init__(self, screen: Screen, tenure: Path, daemon: Path, folder: Path) -> None:
        self.screen, self.tenure, self.folder = screen, tenure, folder
        self.planes = {name: ControlPlane(daemon, folder / name) for name in [HUB, *CLUSTERS]}
        self.sidecars: dict[str, Sidecar] = {}
        self.news: queue.Queue[News] = queue.Queue()
        self.known: dict[str, str] = {}  # whom each sidecar has last called the leader
        self.leader, self.epoch = "", 0
        self.failover = self.handover = 0.0  # promised
        self.measured: list[Measured] = []
        self.broken: list[str] = []
        self.environment: dict[str, str] = {}

    # --- the stage ---

    def prepare(self) -> None:
        self.screen.say(INTRODUCTION)
        self.screen.tell(f"starting the clusters {', '.join(self.planes)}; ten seconds when nothing else runs, "
                         "1.3 GB of memory ...")
        for plane in self.planes.values():
            plane.start()
        for plane in self.planes.values():
            plane.wait()
        self.screen.tell("all four answer")
        config = self.folder / "kubeconfig"
        config.touch(0o600)
        config.write_text(kubeconfig(self.planes))
        (self.folder / "home").mkdir()
        # Nothing of the user's own configuration.
        self.environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder / "home"),
                            "KUBECONFIG": str(config)}
        for name in CLUSTERS:
            self.create_pod(name)
            self.sidecars[name] = Sidecar(name, self.sidecar_command(name), self.environment,
                                          self.folder / f"{name}.log", self.news)

    def sidecar_command(self, name: str) -> list[str]:
        label = shlex.join([self.planes[HUB].program("kubectl"), "--context", name, "label", "--overwrite",
                            "pod", name])
        return [str(self.tenure), "sidecar", f"--id={name}", f"--lease-name={LEASE}", f"--lock=k8s://{HUB}/default",
                "--addr=127.0.0.1:0", "--log=json", *SETTINGS,
                f"--on-started={label} {LABEL}=true", f"--on-stopped={label} {LABEL}-"]

    def create_pod(self, name: str) -> None:
        self.kubectl("--context", name, "run", name, "--image=tenure")

    def kubectl(self, *words: str) -> str:
        done = subprocess.run([self.planes[HUB].program("kubectl"), *words], env=self.environment, text=True,
                              capture_output=True, start_new_session=True, timeout=PATIENCE, check=False)
        if done.returncode != 0:
            raise Broken(f"kubectl {shlex.join(words)} failed: {done.stderr.strip()}")
        return done.stdout

    def clean_up(self) -> None:
        for sidecar in self.sidecars.values():
            sidecar.signal(signal.SIGKILL, "ended")
        for stopping in [plane.stop() for plane in self.planes.values()]:  # all at once
            stopping.wait()

    # --- the acts ---

    def somebody_leads(self) -> None:
        self.screen.title("1. Somebody leads")
        since = time.monotonic()
        for sidecar in self.sidecars.values():
            sidecar.start()
        said = [sidecar.wait_until_ready() for sidecar in self.sidecars.values()][0]
        promise = re.search(r"survives .*a new leader within (\S+) of a crash; planned hand-over within (\S+)$", said)
        if not promise:
            raise Broken(f"the sidecar does not say what it promises: {said}")
        self.failover, self.handover = seconds(promise[1]), seconds(promise[2])
        self.screen.tell(f"each sidecar promises at its start: {promise[0]}")
        self.next_leader("first leader", self.failover, since)

    def killed(self) -> None:
        self.screen.title("2. The leader is killed")
        victim = self.sidecars[self.leader]
        self.screen.tell(f"kill -9 {self.screen.name(victim.name)}; the others wait until its lease has run out")
        since = time.monotonic()
        victim.signal(signal.SIGKILL, "killed")
        self.next_leader("fail-over after kill -9", self.failover, since)
        self.kubectl("--context", victim.name, "delete", "pod", victim.name, "--now")
        self.create_pod(victim.name)
        victim.start()
        victim.wait_until_ready()
        self.everybody_knows()
        self.screen.tell(f"{self.screen.name(victim.name)} has a new Pod with a new sidecar, which follows")

    def handed_over(self) -> None:
        self.screen.title("3. The leader hands over")
        self.screen.tell(f"POST /api/resign to {self.screen.name(self.leader)}; it says no from now on, and keeps the "
                         "lock for 500ms more, for whoever has just heard a yes")
        old, since = self.sidecars[self.leader], time.monotonic()
        status, text = ask(old.port, "/api/resign", "POST")
        if status != 202:
            raise Broken(f"{old.name} does not resign: {status} {text}")
        if old.is_leader() != 503:
            self.broken.append(f"{old.name} still says that it leads after it has agreed to resign")
        self.next_leader("planned hand-over", self.handover, since)

    def frozen(self) -> None:
        self.screen.title("4. The leader stands still, and wakes up too late")
        victim = self.sidecars[self.leader]
        self.screen.tell(f"kill -STOP {self.screen.name(victim.name)}; it cannot even notice that its lease runs out")
        since = time.monotonic()
        victim.signal(signal.SIGSTOP, "stands still")
        self.next_leader("fail-over after a freeze", self.failover, since)
        self.wakes_up(victim)

    def wakes_up(self, victim: Sidecar) -> None:
        waiting = [victim.send_question() for _ in range(QUESTIONS)]
        begin = victim.log_size()
        self.screen.tell(f"kill -CONT {self.screen.name(victim.name)}; {QUESTIONS} times GET /api/is-leader wait there "
                         "already, then one every 5ms")
        victim.signal(signal.SIGCONT, "runs")
        end = time.monotonic() + MOMENT
        answers = [question.getresponse().status for question in waiting]
        while time.monotonic() < end:
            answers.append(victim.is_leader())
            time.sleep(0.005)
        for question in waiting:
            question.close()
        no = answers.count(503)
        self.screen.tell(f"{no} of {len(answers)} answers since then are no (503); its log: "
                         f'"{victim.logged("lost", begin)}"')
        if no != len(answers):
            self.broken.append(f"{victim.name} woke up when another one led, and {len(answers) - no} of its "
                               f"{len(answers)} answers were not 503")
        self.everybody_knows()
        self.show()

    def what_kubectl_sees(self) -> None:
        self.screen.title("5. What kubectl sees")
        self.labels_follow()
        self.show_kubectl("--context", HUB, "get", "lease", LEASE)
        self.show_kubectl("--context", HUB, "events", "--for", f"lease/{LEASE}")
        for name in CLUSTERS:
            self.show_kubectl("--context", name, "get", "pods", "--label-columns", LABEL)

    def labels_follow(self) -> None:
        """Labels are for routing: they come a moment after the fact."""
        end = time.monotonic() + PATIENCE
        while True:
            labelled = [name for name in CLUSTERS
                        if self.kubectl("--context", name, "get", "pods", "-l", LABEL, "-o", "name")]
            if labelled == [self.leader]:
                return
            if time.monotonic() > end:
                raise Broken(f"{self.leader} leads, but the Pods labelled so are: {', '.join(labelled) or 'none'}")

    # --- steps of an act ---

    def hear(self, until: float, what: str) -> News:
        try:
            news = self.news.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise Broken(f"waited in vain for {what}") from None
        self.known[news.sidecar] = news.answer["leader"]
        return news

    def next_leader(self, what: str, promised: float, since: float) -> None:
        while True:
            news = self.hear(since + 2 * promised, "a new leader")
            if news.answer["isLeader"] and news.answer["epoch"] > self.epoch:
                break
        self.leader, self.epoch = news.sidecar, news.answer["epoch"]
        measured = Measured(what, news.at - since, promised)
        self.measured.append(measured)
        self.screen.tell(f"{self.screen.name(self.leader)} leads with epoch {self.epoch}, {shown(measured.took)} later "
                         f"(promised: within {shown(promised)})")
        if not measured.kept():
            self.broken.append(f"{what} took {shown(measured.took)}, longer than the promised {shown(promised)}")
        self.only_one_says_yes()
        self.everybody_knows()
        self.show()
        time.sleep(MOMENT)

    def running(self) -> list[Sidecar]:
        return [sidecar for sidecar in self.sidecars.values() if sidecar.state == "runs"]

    def only_one_says_yes(self) -> None:
        # The new leader has said yes before this: an old one that still does overlaps with it.
        for sidecar in self.running():
            if sidecar.name != self.leader and sidecar.is_leader() != 503:
                self.broken.append(f"{sidecar.name} says that it leads, and so does {self.leader}")

    def everybody_knows(self) -> None:
        until = time.monotonic() + PATIENCE
        while any(self.known.get(sidecar.name) != self.leader for sidecar in self.running()):
            self.hear(until, "every sidecar to know the leader")

    def show(self) -> None:
        for sidecar in self.sidecars.values():
            said = sidecar.state
            if said == "runs":
                answer = sidecar.leader()
                said = f"says: {answer['leader'] or 'nobody'} leads with epoch {answer['epoch']}"
                if answer["isLeader"]:
                    said += f"; that is me, for {answer['validForMilliseconds'] / 1000:.1f}s unless renewed"
            self.screen.say(f"         {self.screen.name(sidecar.name)}{' ' * (12 - len(sidecar.name))}{said}")

    def show_kubectl(self, *words: str) -> None:
        self.screen.say(self.screen.paint(f"$ kubectl {' '.join(words)}", "2"))
        self.screen.say("  " + self.kubectl(*words).strip().replace("\n", "\n  "))

    def summary(self) -> None:
        self.screen.title("6. What was promised, and what was measured")
        for m in self.measured:
            verdict = self.screen.paint("kept", "32") if m.kept() else self.screen.paint("BROKEN", "31")
            self.screen.say(f"  {m.what:<28}{shown(m.took):>8}   promised {shown(m.promised):>8}   {verdict}")

    def play(self) -> None:
        self.prepare()
        self.somebody_leads()
        self.killed()
        self.handed_over()
        self.frozen()
        self.what_kubectl_sees()
        self.summary()


def interrupted(*_: object) -> NoReturn:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not keep us from ending what we began
    os.write(2, b"\ninterrupted; everything that was started is being ended\n")
    raise KeyboardInterrupt


def perform(story: Story, screen: Screen) -> int:
    try:
        story.play()
    except KeyboardInterrupt:
        return 130
    except (Broken, ControlPlaneError, OSError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
        story.broken.append(str(error) or repr(error))
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        story.clean_up()
    for sidecar in story.sidecars.values() if story.broken else []:
        for line in sidecar.log.read_text(errors="replace").splitlines() if sidecar.log.exists() else []:
            screen.say(f"  {sidecar.name} | {line}")
    for what in story.broken:
        print(f"the demo failed: {what}", file=sys.stderr)
    return 1 if story.broken else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Three Kubernetes clusters contend for one Lease in a fourth.")
    parser.add_argument("--tenure", type=Path, default=ROOT / "build/release/bin/tenure", help="[%(default)s]")
    parser.add_argument("--control-plane", type=Path, default=ROOT / "build/dev/bin/shared_control_plane",
                        help="what starts the clusters [%(default)s]")
    arguments = parser.parse_args()
    for program in (arguments.tenure, arguments.control_plane):
        if not program.is_file():
            parser.error(f"{program} does not exist; `make demo-kubernetes` builds it")
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
