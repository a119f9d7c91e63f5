"""Many writers at once: nothing that anybody was told is written is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = os.environ.get("MISSION_WRITER_SECONDS", "12")
SEEDS = range(int(os.environ.get("MISSION_WRITER_ROUNDS", "1")))


def environ() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MISSION_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def test_what_writers_were_told_is_so() -> None:
    for seed in SEEDS:
        done = subprocess.run(
            [sys.executable, "-m", "tests.crash.writers", "--seconds", SECONDS,
             "--seed", str(seed), "--json"],
            cwd=ROOT, env=environ(), capture_output=True, text=True, timeout=1500, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        found = json.loads(done.stdout)
        assert found["faults"] == []
        assert found["commands"] > 20


def test_eight_processes_with_25_updates_each_lose_none_and_none_fails(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mosaic", *arguments],
            cwd=tmp_path, env=environ(), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    assert run("init", "--name", "Busy").returncode == 0
    rows = "".join(f"| T-{n:03d} | todo |  | Task {n} |  |  |  |\n" for n in range(1, 201))
    table = tmp_path / "coordination" / "TASKS.md"
    table.write_text(table.read_text().rstrip("\n") + "\n" + rows)

    def update(writer: int) -> list[int]:
        return [
            run("set", f"T-{writer * 25 + n + 1:03d}", f"title=by {writer} of {n}").returncode
            for n in range(25)
        ]

    with ThreadPoolExecutor(max_workers=8) as threads:
        codes = [code for each in threads.map(update, range(8)) for code in each]
    assert codes == [0] * 200
    titles = {
        task["id"]: task["title"] for task in json.loads(run("list", "--json").stdout)["tasks"]
    }
    assert titles == {
        f"T-{writer * 25 + n + 1:03d}": f"by {writer} of {n}"
        for writer in range(8)
        for n in range(25)
    }
