#!/usr/bin/env python3
"""tenure beside client-go's leader election, in one run, on one real API server.

    bench/kubernetes.py                  # everything, about 12 minutes
    bench/kubernetes.py --only failover --quick

Needs build/release/bin/tenure (make), build/dev/bin/shared_control_plane (make check) and Python 3.11. What is
measured stands in README.md. Times are taken when this process reads the first word of the new leader, so
they contain what it costs to get there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.dont_write_bytecode = True  # nothing of ours appears beside the sources
SOURCES = Path(__file__).resolve().parents[1]
sys.path.append(str(SOURCES / "tests/servers"))
from contenders import Program, TrialFailed  # noqa: E402
from control_plane import ControlPlane, ControlPlaneError  # noqa: E402
from kubernetes_measures import MEASURES, NAMESPACE, SIDES, TIMING, Bench, Row, say  # noqa: E402


async def measure(bench: Bench, names: list[str]) -> list[Row]:
    rows = []
    try:
        for name in names:
            say(f"{name} ... (load average {os.getloadavg()[0]:.1f})")
            rows += await MEASURES[name](bench)
    finally:
        await Program.end_everybody()
    return rows


def versions(bench: Bench) -> str:
    def output(program: str | Path) -> str:
        return subprocess.run([program, "--version"], text=True, stdout=subprocess.PIPE, check=True).stdout

    return (f"tenure {output(bench.tenure).split()[-1]}, "
            f"client-go {output(bench.plane.program('client_go')).partition('k8s.io/client-go ')[2].split()[0]}, "
            f"kube-apiserver {output(bench.plane.program('kube-apiserver')).split()[-1]}")


def print_table(rows: list[Row]) -> None:
    lines = [["measure", *SIDES]] + [[row.what, *(row.cells.get(side, "") for side in SIDES)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")


def arguments_given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="tenure beside client-go's leader election on one real API server")
    parser.add_argument("--tenure", type=Path, default=SOURCES / "build/release/bin/tenure", metavar="PROGRAM")
    parser.add_argument("--servers-bin", type=Path, default=SOURCES / "build/dev/bin", metavar="FOLDER",
                        help="where shared_control_plane is")
    parser.add_argument("--only", choices=MEASURES, help="one of the measures")
    parser.add_argument("--quick", action="store_true", help="few trials: does it work?")
    parser.add_argument("-o", dest="output", choices=["text", "json"], default="text", help="json has every sample")
    arguments = parser.parse_args()
    for program, how in ((arguments.tenure, "make"), (arguments.servers_bin / "shared_control_plane", "make check")):
        if not program.is_file():
            parser.error(f"{program} does not exist; {how} builds it")
    return arguments


def run(arguments: argparse.Namespace, folder: Path) -> None:
    plane = ControlPlane(arguments.servers_bin.resolve() / "shared_control_plane", folder / "plane")
    bench = Bench(plane, arguments.tenure.resolve(), folder, arguments.quick)
    load = [os.getloadavg()[0]]
    try:
        plane.start()
        plane.wait()
        plane.kubectl("create", "namespace", NAMESPACE)
        programs = versions(bench)
        say(programs)
        rows = asyncio.run(measure(bench, [arguments.only] if arguments.only else list(MEASURES)))
    finally:
        plane.stop().wait()
    load.append(os.getloadavg()[0])
    if arguments.output == "json":
        print(json.dumps({"programs": programs, "loadAverage": load, "settings": TIMING,
                          "rows": [asdict(row) for row in rows]}, indent=1))
        return
    print_table(rows)
    print(f"{programs}; {' '.join(TIMING)}; load average {load[0]:.1f} before, {load[1]:.1f} after")


def main() -> int:
    arguments = arguments_given()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with tempfile.TemporaryDirectory(prefix="tenure-bench-") as folder:
            run(arguments, Path(folder))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (ControlPlaneError, TrialFailed, ExceptionGroup) as error:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        say(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
