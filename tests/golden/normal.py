"""What differs from run to run is replaced: ids, times, pids, sizes, paths, versions."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

TIME = "<time>"
PATTERNS = (
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", TIME),
    (r"\b[A-Z][a-z]{2} \d\d \d\d:\d\d\b", TIME),
    (r"\b\d{4}-\d\d-\d\d\b", "<date>"),
    (r"(?<=-)\d{8}\b", "<date>"),
    (r"\b\d\d:\d\d:\d\d\.\d{3}\b", TIME),
    (r"\b(sess-\d{3})-\w+", r"\1-<tail>"),
    (r"\br\d{3}-[0-9a-f]{6}\b", "<run>"),
    (r"\bp(anel)?(-?\d+)-[0-9a-z]+\b", r"p\1\2-<tail>"),
    (r"\b[0-9a-f]{40}\b|\b[0-9a-f]{64}\b", "<hash>"),
    (r"\b[0-9a-f]{7,12}\b", "<hash>"),
    (r"\b(commit|pid|PID) \w+", r"\1 <number>"),
    (r"\b\d+(\.\d+)? (B|kB|MB|KiB|MiB)\b", "<size>"),
    (r"\b\d+(\.\d+)? ?(ms|s|m|min)\b( \d+ ?s\b)?", "<length>"),
    (r"\b\d+\.\d+\.\d+\b", "<version>"),
    (r"(?<=on )`[\w.-]+`(?=, for )", "<host>"),
    (r"[+]\d+ -\d+", "<lines>"),
    (r" {2,}", "  "),
)
VARIABLE_KEYS = {
    "pid": 0,
    "supervisor_pid": 0,
    "boot_id": "",
    "host": "",
    "pid_started_at": 0,
    "duration_ms": 0,
    "duration_seconds": 0,
    "durationSeconds": 0,
    "elapsed_seconds": 0,
    "silent_seconds": 0,
    "output_bytes": 0,
    "size_bytes": 0,
    "stdout_bytes": 0,
    "stderr_bytes": 0,
    "tool_version": "",
    "version": "",
    "prompt_bytes": 0,
    "started_ticks": 0,
    "digest": "",
}
OF_THE_MACHINE = ("installed", "extras")
"""What `doctor` says of the installation: left out, it is another on every machine."""
OF_THE_MACHINE_LINE = re.compile(rf"(ok|--) +({'|'.join(OF_THE_MACHINE)}) |.*mosaic-mission\[all\]")


class Normalizer:
    """Replaces what is of one run, in texts and in values."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._paths = [
            (str(folder), "<folder>"),
            (sys.executable, "<python>"),
            (str(Path(sys.executable).parent), "<bin>"),
            (str(root), "<root>"),
        ]

    def lines(self, lines: list[str]) -> list[str]:
        return [self.text(line) for line in lines if not OF_THE_MACHINE_LINE.match(line)]

    def text(self, text: str) -> str:
        for path, word in self._paths:
            text = text.replace(path, word)
        for pattern, word in PATTERNS:
            text = re.sub(pattern, word, text)
        return text

    def values(self, values: Any, key: str = "") -> Any:
        if isinstance(values, dict):
            return {self.text(name): self.values(each, name) for name, each in values.items()}
        if isinstance(values, list):
            return [self.values(each) for each in values if not _is_of_the_machine(each)]
        if key in VARIABLE_KEYS and values is not None:
            return f"<{key}>"
        return self.text(values) if isinstance(values, str) else values


def _is_of_the_machine(value: Any) -> bool:
    return isinstance(value, dict) and "hint" in value and value.get("name") in OF_THE_MACHINE
