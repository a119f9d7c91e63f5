"""How soon a change is on every screen of the board in the browser.

    python -m tests.benchmarks.web [--viewers 50] [--tasks 1000] [--changes 60]

A task's file is changed as an editor does it, again and again; each viewer has the board open,
and hears of it by its stream. Printed are the times from the change to each screen, and what the
server takes: memory at the start and at the end, and the share of a core while nothing happens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .missions import generate

ROOT = Path(__file__).resolve().parents[2]
IDLE_SECONDS = 10.0
PATIENCE_SECONDS = 60.0


class Screen:
    """A browser that has the board open."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        self.changed = asyncio.Event()

    async def follow(self, port: int, version: str) -> None:
        """Read the stream until it ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=16 << 20)
        request = (
            f"GET /stream?view=board&since={version} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n"
        )
        writer.write(request.encode())
        while line := await reader.readline():
            now = time.monotonic()
            for title in re.findall(rb"changed-\d+", line):
                self.seen.setdefault(title.decode(), now)
                self.changed.set()
        writer.close()

    async def saw(self, title: str) -> None:
        """Wait until it has heard of a change."""
        while title not in self.seen:
            await self.changed.wait()
            self.changed.clear()


def memory_kb(pid: int) -> int:
    """Return what a process holds in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process took."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(
    port: int, pid: int, asked: argparse.Namespace, change: Callable[[str], None]
) -> None:
    """Print how it went."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=16 << 20)
    writer.write(f"GET / HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n".encode())
    page = (await reader.read()).decode()
    version = re.findall(r'data-version="([^"]*)"', page)[0]
    screens = [Screen() for _ in range(asked.viewers)]
    streams = [asyncio.create_task(each.follow(port, version)) for each in screens]
    await asyncio.sleep(2)
    dice = random.Random(1)
    latest: list[float] = []
    every: list[float] = []
    start_kb, begin = memory_kb(pid), cpu_seconds(pid)
    for number in range(asked.changes):
        title = f"changed-{number}"
        change(title)
        begun = time.monotonic()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(each.saw(title) for each in screens))
        took = [each.seen[title] - begun for each in screens]
        every += took
        latest.append(max(took))
        await asyncio.sleep(dice.uniform(0.1, 1.2))
    end_kb = memory_kb(pid)
    each_takes = (cpu_seconds(pid) - begin) / asked.changes
    before = cpu_seconds(pid)
    await asyncio.sleep(IDLE_SECONDS)
    idle = 100 * (cpu_seconds(pid) - before) / IDLE_SECONDS
    cuts = statistics.quantiles(every, n=20)
    print(f"{asked.viewers} viewers, {asked.tasks} tasks, {asked.changes} changes")
    print(f"a change on a screen: median {statistics.median(every):.3f} s, p95 {cuts[18]:.3f} s")
    print(f"on all of them: p95 {statistics.quantiles(latest, n=20)[18]:.3f} s, "
          f"most {max(latest):.3f} s")  # fmt: skip
    print(f"memory: {start_kb / 1024:.1f} MB at the start, {end_kb / 1024:.1f} MB at the end")
    print(f"processor time of the server for a change and the wait before it: {each_takes:.3f} s")
    print(f"idle with all of them: {idle:.1f} % of a core")
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)


def main(argv: list[str] | None = None) -> None:
    """Make a mission, show it, and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.web")
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=60)
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="mission-web-") as made:
        os.environ["XDG_STATE_HOME"] = f"{made}/person"
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        mission = generate(Path(made) / "mission", asked.tasks)
        file = next((mission.folder / "coordination" / "tasks").glob(f"{mission.todo[-1]}*"))
        process = subprocess.Popen(
            [sys.executable, "-m", "mosaic", "web", "--json"],
            cwd=mission.folder, env=environ, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout
        lines = ""
        while not lines.endswith("}\n"):
            lines += process.stdout.readline()
        text = file.read_text()

        def change(title: str) -> None:
            beside = file.with_name(f".{file.name}")
            beside.write_text(re.sub(r"(?m)^title: .*$", f"title: {title}", text, count=1))
            beside.replace(file)

        try:
            asyncio.run(measure(json.loads(lines)["port"], process.pid, asked, change))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_SECONDS)


if __name__ == "__main__":
    main()
