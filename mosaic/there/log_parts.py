"""The logs of a run as parts of one size, so that only the last one is pushed again as it grows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.git.file_trees import store_files
from mosaic.remote.record import CHUNK_BYTES, CHUNKS, LARGEST_LOG_BYTES, MIRRORED

if TYPE_CHECKING:
    from mosaic.runs.record import Run


class LogParts:
    """What is known of a run's logs in a repository."""

    def __init__(self, top: Path, run: Run) -> None:
        self._top = top
        self._run = run
        self._whole: dict[str, str] = {}
        """The ids of parts that are full: they stay as they are."""

    def sizes(self) -> dict[str, int]:
        """Return how many bytes of each log are to be sent."""
        return {name: min(self._run.bytes_of(name), LARGEST_LOG_BYTES) for name in MIRRORED}

    def stored(self) -> dict[str, str]:
        """Put what is new into the repository, and return the ids of all parts by name."""
        found: dict[str, str] = {}
        new: dict[str, Path] = {}
        with tempfile.TemporaryDirectory(prefix="mosaic-") as scratch:
            for log, size in self.sizes().items():
                for offset in range(0, size, CHUNK_BYTES):
                    name = f"{CHUNKS}{log}/{offset:012d}"
                    if name in self._whole:
                        found[name] = self._whole[name]
                        continue
                    new[name] = Path(scratch, str(len(new)))
                    new[name].write_bytes(self._read(log, offset, size))
            ids = dict(zip(new, store_files(self._top, [*new.values()]), strict=True))
            self._whole |= {n: ids[n] for n, p in new.items() if p.stat().st_size == CHUNK_BYTES}
        return found | ids

    def _read(self, log: str, offset: int, size: int) -> bytes:
        with open(self._run.dir / log, "rb") as file:
            file.seek(offset)
            return file.read(min(CHUNK_BYTES, size - offset))
