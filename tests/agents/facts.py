"""What the installed `claude`, `codex` or `gemini` does otherwise than Mosaic knows it.

    python -m tests.agents.facts claude --agents FOLDER            prints what differs
    python -m tests.agents.facts claude --agents FOLDER --write    keeps what it does as the facts

FOLDER has the programs, such as `node_modules/.bin`; without it they are looked for on the PATH.
The exit code is 0 where nothing differs, 1 where something does, 2 where there is no such agent.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.agents.scenarios import flags_of, play, scenarios_of, version_of

FACTS = Path(__file__).resolve().parents[1] / "data" / "runtimes" / "facts"
AT_ONCE = 2
ABSENT = object()


def main(words: Sequence[str] | None = None) -> int:
    """Play every scenario, and print what differs from the facts."""
    parser = argparse.ArgumentParser(prog="python -m tests.agents.facts", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", choices=("claude", "codex", "gemini"))
    parser.add_argument("--agents", metavar="FOLDER", default="", help="where the programs are")
    parser.add_argument("--facts", metavar="FOLDER", type=Path, default=FACTS)
    parser.add_argument("--only", metavar="SCENARIO", action="append", help="play no other")
    parser.add_argument("--write", action="store_true", help="keep what is seen as the facts")
    given = parser.parse_args(words)
    search_path = os.pathsep.join(filter(None, (given.agents, os.environ.get("PATH", ""))))
    if shutil.which(given.name, path=search_path) is None:
        print(f"{given.name} is not installed: give its folder with --agents", file=sys.stderr)
        return 2
    file = given.facts / f"{given.name}.json"
    seen = look(given.name, search_path, given.only)
    if given.write:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(seen, indent=1, sort_keys=True)
        one_line = r'\[\n(?: +"[^\n]*",?\n)+ *\]'
        lines = re.sub(one_line, lambda found: " ".join(found[0].split()), text)
        file.write_text(lines + "\n")
        print(f"{file} has what {given.name} {seen['version']} does")
        return 0
    known = json.loads(file.read_text())
    if given.only:
        known["scenarios"] = {k: v for k, v in known["scenarios"].items() if k in given.only}
    print(f"{given.name} {seen['version']}; the facts are of {known.pop('version')}")
    del seen["version"]
    found = list(differences(known, seen))
    print("\n".join(found) or "nothing differs")
    return 1 if found else 0


def look(name: str, search_path: str, only: Sequence[str] | None = None) -> dict[str, Any]:
    """Return all that is seen of an agent."""
    played = {k: v for k, v in scenarios_of(name).items() if not only or k in only}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        seen = threads.map(lambda scenario: play(name, scenario, search_path), played.values())
        scenarios = dict(zip(played, seen, strict=True))
    return {
        "version": version_of(name, search_path),
        "flags": flags_of(name, search_path),
        "scenarios": scenarios,
    }


def differences(known: Any, seen: Any, place: str = "") -> Iterator[str]:
    """Return one line for each thing that is not as it was."""
    if isinstance(known, dict) and isinstance(seen, dict):
        for key in sorted({*known, *seen}):
            inner = f"{place}: {key}" if place else key
            yield from differences(known.get(key, ABSENT), seen.get(key, ABSENT), inner)
    elif seen is ABSENT:
        yield f"{place}: is gone"
    elif known is ABSENT:
        yield f"{place}: is new: {json.dumps(seen)}"
    elif isinstance(known, list) and isinstance(seen, list) and known != seen:
        gone, new = ([x for x in a if x not in b] for a, b in ((known, seen), (seen, known)))
        changes = [*(f"{x} is gone" for x in gone), *(f"{x} is new" for x in new)]
        yield f"{place}: {'; '.join(changes) or f'{known} has become {seen}'}"
    elif known != seen:
        yield f"{place}: {json.dumps(known)} has become {json.dumps(seen)}"


if __name__ == "__main__":
    sys.exit(main())
