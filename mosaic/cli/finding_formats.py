"""Findings of `mission check` for programs: editors, GitHub's annotations, SARIF.

Paths are relative to the top of the git work tree, as these programs want them.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mosaic import __version__
from mosaic.cli.output import clean
from mosaic.git.git import find_work_tree
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mosaic.plan.check import Finding

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class _Places:
    """Turns the paths of findings into those of the repository."""

    def __init__(self, mission_file: Path) -> None:
        project = load_mission(mission_file).layout.project
        self._project = os.path.realpath(project)
        top = find_work_tree(project)
        self._top = os.path.realpath(top) if top else self._project
        self._fallback = os.path.relpath(os.path.realpath(mission_file), self._top)

    def path(self, finding: Finding) -> str:
        """Return the path of a finding; mission.json's for one that has none."""
        if not finding.path:
            return self._fallback
        place = os.path.normpath(os.path.join(self._project, finding.path))
        is_within = place.startswith(self._top + os.sep)
        return os.path.relpath(place, self._top) if is_within else place


def as_lines(findings: Sequence[Finding], mission_file: Path) -> list[str]:
    """Return a line for each finding: `FILE:LINE: error: words [CODE]`."""
    places = _Places(mission_file)
    return [
        clean(f"{places.path(each)}:{each.line or 1}: {each.level}: {_words(each)} [{each.code}]")
        for each in findings
    ]


def as_github(findings: Sequence[Finding], mission_file: Path) -> list[str]:
    """Return GitHub's workflow commands that annotate the files of a run.

    From <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.
    """
    places = _Places(mission_file)
    lines = []
    for each in findings:
        path, code = _property(places.path(each)), _property(each.code)
        where = f"file={path},line={each.line or 1},title={code}"
        lines.append(f"::{each.level} {where}::{_data(clean(_words(each)))}")
    return lines


def as_sarif(findings: Sequence[Finding], mission_file: Path) -> list[str]:
    """Return one SARIF 2.1.0 document, from <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>."""
    places = _Places(mission_file)
    rules = [{"id": code} for code in sorted({each.code for each in findings})]
    driver = {"name": "mission check", "version": __version__, "rules": rules}
    results = [_sarif_result(each, places.path(each)) for each in findings]
    document = {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return [json.dumps(document, indent=2)]


def _sarif_result(finding: Finding, path: str) -> dict[str, Any]:
    uri = quote(path, errors="surrogateescape")
    place = {"artifactLocation": {"uri": uri}, "region": {"startLine": finding.line or 1}}
    return {
        "ruleId": finding.code,
        "level": finding.level.value,
        "message": {"text": _words(finding)},
        "locations": [{"physicalLocation": place}],
    }


def _words(finding: Finding) -> str:
    return f"{finding.message}; {finding.hint}" if finding.hint else finding.message


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(clean(text)).replace(":", "%3A").replace(",", "%2C")


FORMATS: Mapping[str, Callable[[Sequence[Finding], Path], list[str]]] = {
    "lines": as_lines,
    "github": as_github,
    "sarif": as_sarif,
}
