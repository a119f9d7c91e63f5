"""What agents find in the project about working on its mission: a section, and skills.

    CLAUDE.md  AGENTS.md                     a section between marks: text/marked_section.py
    .claude/skills/mission-next/SKILL.md     for Claude Code; codex looks in .agents/skills
        …
        <!-- mission:skill 0123456789ab -->  its last line, with the digest of what is above it

By the digest a skill that somebody has edited is told from one that an older Mosaic wrote.
"""

from __future__ import annotations

import os
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import EditRefusedError, FileAccessError, MissionError, PathOutsideError
from mosaic.machine.disk import digest, find_text, write_atomic
from mosaic.machine.removing import remove_empty_folder, remove_file
from mosaic.machine.signature import Expected, Signature, access_error, expect_unchanged
from mosaic.machine.staging import resolve_target
from mosaic.records import NamedTuple
from mosaic.store.templates import load_template
from mosaic.text.lines import split_lines
from mosaic.text.marked_section import (
    BEGIN_MARK,
    END_MARK,
    find_section,
    with_section,
    without_section,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mosaic.prompts.context import TemplateValue
    from mosaic.store.layout import Layout


class Kit(NamedTuple):
    """Where one agent, or any, looks for what it should know of a project."""

    instructions: str
    skills: str | None = None


CLAUDE, AGENTS = "CLAUDE.md", "AGENTS.md"
KITS = {
    "claude": Kit(CLAUDE, ".claude/skills"),
    "codex": Kit(AGENTS, ".agents/skills"),
    "agents-md": Kit(AGENTS),
}
SKILLS = ("next", "handoff", "ask")
"""Each is `templates/kits/NAME.md.j2`, and the skill `mission-NAME`."""
_MARK = "<!-- mission:skill "
_DIGEST_LENGTH = 12


class KitFile(NamedTuple):
    """A file of a kit as it is and as it would be; None where there is no file."""

    path: str
    """From the project on, symlinks followed."""
    before: str | None
    after: str | None
    signature: Signature | None

    @property
    def action(self) -> str:
        """What would be done with it."""
        if self.after is None:
            return "remove"
        return "create" if self.before is None else "change"

    @property
    def diff(self) -> list[str]:
        """The lines of the change, as `diff -u` writes them."""
        from difflib import unified_diff  # start-up

        old, new = (
            "/dev/null" if text is None else f"{side}/{self.path}"
            for side, text in (("a", self.before), ("b", self.after))
        )
        before, after = (split_lines(text or "") for text in (self.before, self.after))
        found = []
        for line in unified_diff(before, after, old, new):
            found.append(line.removesuffix("\n"))
            if not line.endswith("\n"):
                found.append("\\ No newline at end of file")
        return found


class KitSetup(NamedTuple):
    """What was done for an agent, or would be."""

    agent: str
    files: Sequence[KitFile]
    written: bool

    def json_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        files = [
            {"path": each.path, "action": each.action, "diff": "\n".join(each.diff)}
            for each in self.files
        ]
        return {"agent": self.agent, "files": files, "written": self.written}


class KitState(NamedTuple):
    """A kit that is set up."""

    agent: str
    files: Sequence[str]
    """Those that are there, and not of a kit before it."""
    old: Sequence[str]
    """Those of them that are not what this version would write."""


def plan_kit(layout: Layout, agent: str, *, removes: bool = False) -> tuple[KitFile, ...]:
    """Return the files that setting up an agent of `KITS`, or taking that back, would change.

    Raises:
        EditRefusedError: marks are broken, or a skill is somebody else's or was edited.
        FileAccessError, PathOutsideError: a file cannot be read, or may not be written.
    """
    kit = KITS[agent]
    files = [_instructions(layout, kit.instructions, removes=removes)]
    files += [_skill(layout, kit.skills, name, removes=removes) for name in SKILLS if kit.skills]
    return tuple(each for each in files if each.before != each.after)


def plan_sections(layout: Layout) -> tuple[KitFile, ...]:
    """Return what would put the section into AGENTS.md and CLAUDE.md; AGENTS.md if neither is."""
    names = [name for name in (AGENTS, CLAUDE) if (layout.project / name).exists()] or [AGENTS]
    files = {each.path: each for each in (_instructions(layout, name) for name in names)}
    return tuple(files.values())


def write_kit(layout: Layout, files: Sequence[KitFile]) -> None:
    """Make files as they were planned, all of them or none.

    FileChangedError: somebody edited one since. FileAccessError: one cannot be written.
    """
    root = _root(layout)
    files = [each for each in files if each.before != each.after]
    for number, each in enumerate(files):
        try:
            _put(root, each.path, each.after, each.signature)
        except MissionError:
            _remove_empty_folders(root, root / each.path)
            for other in files[:number]:
                _put(root, other.path, other.before)
            raise


def find_kits(layout: Layout) -> Iterator[KitState]:
    """Yield the kits that are set up. EditRefusedError: as `plan_kit`."""
    seen: set[str] = set()
    for agent in ("claude", "agents-md", "codex"):
        try:
            there = {each.path for each in plan_kit(layout, agent, removes=True)} - seen
            changed = {each.path for each in plan_kit(layout, agent)} if there else set()
        except (FileAccessError, PathOutsideError):
            continue  # said when it is set up
        seen |= there
        if there:
            yield KitState(agent, sorted(there), sorted(there & changed))


def _instructions(layout: Layout, name: str, *, removes: bool = False) -> KitFile:
    file = _look(layout, name)
    try:
        is_without = find_section(file.before or "") is None
        if name == CLAUDE and is_without and _imports_agents(file.before or ""):
            return _instructions(layout, AGENTS, removes=removes)
        if removes:
            return file._replace(after=without_section(file.before))
        section = _rendered(layout, "agents-section.md.j2").strip()
        if find_section(section) is None:  # a project's own template
            section = f"{BEGIN_MARK}\n{section}\n{END_MARK}"
        return file._replace(after=with_section(file.before, section))
    except EditRefusedError as error:
        raise error.at(file.path) from None


def _imports_agents(text: str) -> bool:
    """Tell whether CLAUDE.md has Claude Code read AGENTS.md too, where one section is enough."""
    return not {f"@{AGENTS}", f"@./{AGENTS}"}.isdisjoint(text.split())


def _skill(layout: Layout, folder: str, name: str, *, removes: bool = False) -> KitFile:
    file = _look(layout, f"{folder}/mission-{name}/SKILL.md")
    if file.before is not None:
        _refuse_foreign(file.path, file.before.replace("\r\n", "\n"))
    if removes:
        return file._replace(after=None)
    text = _rendered(layout, f"kits/{name}.md.j2").strip() + "\n\n"
    after = f"{text}{_mark_of(text)}\n"
    if file.before is not None and file.before.replace("\r\n", "\n") == after:
        return file._replace(after=file.before)  # git has put its own newlines there
    return file._replace(after=after)


def _refuse_foreign(path: str, text: str) -> None:
    lines = split_lines(text)
    last = lines[-1] if lines else ""
    if last.rstrip("\n") == _mark_of(text.removesuffix(last)):
        return
    line, found = next(
        ((number, line) for number, line in enumerate(lines, 1) if line.startswith(_MARK)), (1, "")
    )
    raise EditRefusedError(
        f"`{path}` was edited since Mosaic wrote it" if found else f"`{path}` is not from Mosaic",
        path=path,
        line=line,
        detail="nothing was written",
        hint="give its folder another name to keep it, or delete it; then run the command again",
    )


def _mark_of(text: str) -> str:
    return f"{_MARK}{(digest(text.encode()) or '')[:_DIGEST_LENGTH]} -->"


def _root(layout: Layout) -> Path:
    return Path(os.path.realpath(layout.project))


def _look(layout: Layout, name: str) -> KitFile:
    root = _root(layout)
    target = resolve_target(layout.project / name, root=root)
    file = find_text(target)
    text = file.text if file else None
    path = target.relative_to(root).as_posix()
    return KitFile(path, text, text, file.signature if file else None)


def _rendered(layout: Layout, name: str) -> str:
    from mosaic.prompts.prompt import render_template  # start-up: jinja2

    values: dict[str, TemplateValue] = {
        "tasks_file": layout.shown(layout.tasks_file),
        "tasks_dir": layout.shown(layout.tasks_dir),
        "manifest_file": layout.shown(layout.manifest_file),
        "scratchpad_file": layout.shown(layout.scratchpad_file),
    }
    template = load_template(name, layout)
    return render_template(template.source, values, name=str(template.path))


def _put(
    root: Path,
    name: str,
    text: str | None,
    expect: Signature | Expected | None = Expected.ANYTHING,
) -> None:
    path = root / name
    if text is None:
        expect_unchanged(path, expect)
        remove_file(root, path)
        _remove_empty_folders(root, path)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise access_error("made", path.parent, error) from error
    write_atomic(path, text.encode(), root=root, expect=expect)


def _remove_empty_folders(root: Path, path: Path) -> None:
    for folder in takewhile(lambda each: each != root, path.parents):
        if not remove_empty_folder(root, folder):
            return
