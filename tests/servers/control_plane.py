"""A real kube-apiserver with its etcd, for benches and demos: what README.md says under "By hand".

    plane = ControlPlane(Path("build/dev/bin/shared_control_plane"), folder / "hub")
    plane.start()
    try:
        plane.wait()
        plane.kubectl("create", "namespace", "bench")
    finally:
        plane.stop().wait()

Several can start and stop at the same time. Left alone by a process that was killed, it ends after two
hours. One thread at a time. Needs Python 3.11.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


class ControlPlaneError(Exception):
    """What failed, and what the failing program said."""


class ControlPlane:
    def __init__(self, daemon: Path, folder: Path) -> None:
        """`daemon` is shared_control_plane of a development build; its files stay in `folder`, 0600."""
        self.daemon, self.folder = daemon, folder
        self.values: dict[str, str] = {}
        self._starting: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begins to; says on standard error what it has to build first."""
        # A session of its own: Ctrl-C at a terminal is for us alone, who end everything in order.
        self._starting = subprocess.Popen([self.daemon, "start", self.folder], start_new_session=True)

    def wait(self) -> None:
        """Returns when it is ready."""
        assert self._starting is not None
        if self._starting.wait() != 0:
            raise ControlPlaneError(f"no control plane in {self.folder}: {self.daemon} start failed")
        text = (self.folder / "env").read_text()
        self.values = dict(re.findall(r"^export (\w+)='(.*)'$", text, re.MULTILINE))

    def stop(self) -> subprocess.Popen[bytes]:
        """Begins to, also while it starts; has ended when the process that is returned has."""
        if self._starting is not None:
            self._starting.kill()  # a daemon that is not ready ends when nobody waits for it any more
            self._starting.wait()
        return subprocess.Popen([self.daemon, "stop", self.folder], start_new_session=True)

    @property
    def server_url(self) -> str:
        return self.values["TENURE_TEST_SERVER"]

    @property
    def kubeconfig(self) -> Path:
        """Of somebody who may do everything; it needs no other file."""
        return Path(self.values["KUBECONFIG"])

    def program(self, name: str) -> str:
        """etcd, kube-apiserver, kubectl, client_go or client_go_2023."""
        return str(Path(self.values["TENURE_TEST_PROGRAMS"]) / name)

    def kubectl_words(self, *arguments: str) -> list[str]:
        """A command line that sees this control plane, and nothing of the user's own configuration."""
        return ["env", "-i", f"HOME={self.folder / 'home'}", f"KUBECONFIG={self.kubeconfig}",
                self.program("kubectl"), *arguments]

    def kubectl(self, *arguments: str) -> str:
        """What it prints."""
        done = subprocess.run(self.kubectl_words(*arguments), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, start_new_session=True, check=False)
        if done.returncode != 0:
            raise ControlPlaneError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout
