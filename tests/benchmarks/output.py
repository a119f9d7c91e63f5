"""How much a recorded run slows down a program that writes much.

    python tests/benchmarks/output.py [--gigabytes 2] [--rate 200] [--rounds 3]

A program writes lines at a given rate (MB/s; 0: as fast as it can) straight into a file, and
the same under `mission exec`. Printed are the times that the program itself measured, their
ratio, and the most memory that the supervisor and the log writer took.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WRITER = """\
import os, sys, time
total, rate, place = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
block = (b"a line of eighty characters, more or less, as programs like to write them down....\\n"
         * 800)[:65536]
begun, written = time.monotonic(), 0
while written < total:
    written += os.write(1, block)
    if rate:
        ahead = written / (rate * 1e6) - (time.monotonic() - begun)
        if ahead > 0.002:
            time.sleep(ahead)
open(place, "w").write(str(time.monotonic() - begun))
"""


def mission(*arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    """Start the command of this checkout."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "mosaic", *arguments]
    return subprocess.Popen(argv, cwd=cwd, env=environ, stdout=subprocess.DEVNULL)


def peak_memory(root: int) -> int:
    """Return the most kilobytes that a supervisor and its log writer took.

    Called again and again while they run: the peak is the kernel's own `VmHWM`.
    """
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            status = (entry / "status").read_text()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        writes_logs = int(fields["PPid"]) == root and b"log_writer.py" in command
        if "VmHWM" in fields and (int(entry.name) == root or writes_logs):
            total += int(fields["VmHWM"].split()[0])
    return total


def run_direct(writer: list[str], folder: Path) -> None:
    """Run the writer into a file."""
    with open(folder / "direct.log", "wb") as log:
        subprocess.run(writer, stdout=log, check=True)
    (folder / "direct.log").unlink()


def run_recorded(writer: list[str], project: Path) -> int:
    """Run the writer as a step; return the peak of memory in kilobytes."""
    process = mission("exec", "T-001", "--quiet", "--", *writer, cwd=project)
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.2):
            peak = max(peak, peak_memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.wait() == 0
    done.set()
    watcher.join()
    for log in project.glob("coordination/.state/runs/*/*/*.log"):
        log.unlink()
    return peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        project = Path(made)
        for arguments in (("init", "--name", "Output"), ("add", "Write much")):
            assert mission(*arguments, cwd=project).wait() == 0
        place = project / "seconds"
        total = str(int(asked.gigabytes * 1e9))
        writer = [sys.executable, "-c", WRITER, total, str(asked.rate), str(place)]
        direct, recorded, peaks = [], [], []
        for _ in range(asked.rounds):
            run_direct(writer, project)
            direct.append(float(place.read_text()))
            begun = time.monotonic()
            peaks.append(run_recorded(writer, project))
            recorded.append(float(place.read_text()))
            whole = time.monotonic() - begun
            print(f"direct {direct[-1]:.2f} s, recorded {recorded[-1]:.2f} s, whole {whole:.2f} s")
        ratio = statistics.median(recorded) / statistics.median(direct)
        print(f"ratio {ratio:.3f}, peak {max(peaks) / 1000:.1f} MB of memory")


if __name__ == "__main__":
    main()
