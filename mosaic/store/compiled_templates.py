"""Templates that come with Mosaic in compiled form, kept where Python keeps compiled modules.

Jinja takes longer to compile ours than to render them. A person who can write to that folder can
change Mosaic itself, so what stands there is trusted as far as modules are. What a project has
overridden is neither looked for nor written there: it is the project's own.

Importing this module imports Jinja: do it where a template is rendered, not before.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.util import cache_from_source
from typing import TYPE_CHECKING

from jinja2 import FileSystemBytecodeCache, compiler
from jinja2.bccache import Bucket

from mosaic import __version__
from mosaic.errors import MissionError
from mosaic.machine.disk import find_text
from mosaic.prompts import sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jinja2 import Environment


class CompiledTemplates(FileSystemBytecodeCache):
    """Keeps the compiled form of templates whose text is that of a file of ours."""

    def __init__(self, places: Sequence[Path]) -> None:
        """Find the folder; none is made before there is something to keep."""
        super().__init__(os.path.dirname(cache_from_source(__file__)), "template-%s.cache")
        self._places = places
        self._ours: set[str] = set()
        # A compiled template is as good as the compilers that made it.
        makers = [os.stat(module.__file__ or "") for module in (compiler, sandbox)]
        self._made_by = f"{__version__} {[(made.st_mtime_ns, made.st_size) for made in makers]}"

    def get_source_checksum(self, source: str) -> str:
        """Return what a kept form must have been made of."""
        return super().get_source_checksum(f"{self._made_by}\n{source}")

    def get_bucket(
        self, environment: Environment, name: str, filename: str | None, source: str
    ) -> Bucket:
        """Return a template's place, with the kept form in it if there is one that holds."""
        key = self.get_cache_key(name, filename)
        bucket = Bucket(environment, key, self.get_source_checksum(source))
        if self._is_ours(name, source):
            self._ours.add(key)
            try:
                self.load_bytecode(bucket)
            except Exception:  # noqa: BLE001 - reading a damaged one raises anything
                bucket.reset()
        return bucket

    def set_bucket(self, bucket: Bucket) -> None:
        """Keep a compiled template, where that is possible."""
        if bucket.key in self._ours and not sys.dont_write_bytecode:
            with contextlib.suppress(OSError):
                os.makedirs(self.directory, exist_ok=True)
                self.dump_bytecode(bucket)

    def _is_ours(self, name: str, source: str) -> bool:
        for place in self._places:
            with contextlib.suppress(MissionError):
                file = find_text(place / os.path.basename(name))
                if file is not None:
                    return file.text == source
        return False
