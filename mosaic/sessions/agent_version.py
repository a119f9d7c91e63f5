"""Which version of an agent a run was made with: asked once, then known until it changes.

`.state/versions.json` maps a program's path to its file's signature and version. It is a
cache: deleting it costs one `--version`.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.disk import find_bytes, write_private
from mosaic.machine.json_data import parse_json
from mosaic.machine.process import install_path
from mosaic.machine.signature import find_signature

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import JsonValue
    from mosaic.ports import Runtime
    from mosaic.store.layout import Layout


def describe_agent(runtime: Runtime, program: str, layout: Layout) -> dict[str, JsonValue]:
    """Return an agent's program, where it is, and its version as far as it tells."""
    path = install_path(program)
    if path is None:
        return {"program": program, "path": None, "version": None}
    cache = layout.state_dir / "versions.json"
    known = _read(cache)
    signature = find_signature(path)
    key = [signature.size, signature.mtime_ns, signature.inode] if signature else None
    entry = known.get(path)
    if not isinstance(entry, dict) or entry.get("signature") != key:
        entry = {"signature": key, "version": runtime.probe().version}
        known[path] = entry
        with contextlib.suppress(MissionError):  # only a cache
            write_private(cache, json.dumps(known).encode(), root=layout.state_dir)
    return {"program": program, "path": path, "version": entry.get("version")}


def _read(cache: Path) -> dict[str, JsonValue]:
    try:
        values = parse_json(find_bytes(cache) or b"{}")
    except (ValueError, MissionError):
        return {}
    return values if isinstance(values, dict) else {}
