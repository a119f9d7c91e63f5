"""`mission setup`."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from typer import Option, Typer

from mosaic.app.agent_kits import KITS, KitSetup, plan_kit, write_kit
from mosaic.app.change import refuse_agent
from mosaic.app.merge_driver import set_up_git
from mosaic.cli.consent import is_somebody_there
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, diff_line, paint, warn
from mosaic.store.mission_file import look_at_mission
from mosaic.store.reading import locate_to_change

EXAMPLES = (
    ("mission setup git --dry-run", "what git would be told in this clone"),
    ("mission setup git --yes", "do it without asking"),
    ("mission setup claude", "a section in CLAUDE.md and three skills; shown first, then asked"),
    ("mission setup claude --remove", "take them away again; nothing else changes"),
    ("mission setup codex --yes", "the same for codex, in AGENTS.md and `.agents/skills`"),
    ("mission setup agents-md --dry-run", "the section in AGENTS.md alone, for any agent"),
)
HELP = {
    "claude": "Tell Claude Code how to work on the mission: CLAUDE.md and skills.",
    "codex": "Tell codex how to work on the mission: AGENTS.md and skills.",
    "agents-md": "Tell every agent that reads AGENTS.md how to work on the mission.",
}
VERBS = {
    "create": ("would create", "created"),
    "change": ("would change", "changed"),
    "remove": ("would remove", "removed"),
}
setup_app = Typer(no_args_is_help=True, help="Set up what Mosaic works with.")


@setup_app.command("git")
def git_command(
    yes: bool = Option(False, "--yes", "-y", help="Do it without asking."),
    dry_run: bool = Option(False, "--dry-run", help="Only say what would be done."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Have git merge the mission's files by task and field in this clone."""
    path = locate_to_change(mission, in_conflict=True)
    is_asked = is_somebody_there() and not (yes or dry_run or as_json)
    is_meant = ask_to_set_up(path) if is_asked else not dry_run
    return _answer(path, write=is_meant, as_json=as_json)


def _answer(path: Path, *, write: bool, as_json: bool) -> int:
    done = set_up_git(look_at_mission(path).layout, write=write)
    lines = [f"{'did' if done.written else 'would do'}: {clean(line)}" for line in done.done]
    lines = lines or [paint("git is set up already", "dim")]
    then = ["git add .gitattributes"] if done.written else []
    then += [] if done.written or not done.done else ["mission setup git --yes"]
    return answer("mission.setup", done, lines, then=then, show_next=True, as_json=as_json)


def ask_to_set_up(path: Path) -> bool:
    """Show a person what would be done, and ask; everything but a yes is a no."""
    planned = set_up_git(look_at_mission(path).layout, write=False).done
    if not planned:
        return False
    warn("to merge the mission's files by task and field, git needs in this clone:")
    for line in planned:
        warn(f"  {clean(line)}")
    return _is_yes("Set it up? [y/N] ")


def _is_yes(question: str) -> bool:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _kit_command(agent: str) -> Callable[..., int]:
    def command(
        yes: bool = Option(False, "--yes", "-y", help="Write it without asking."),
        dry_run: bool = Option(False, "--dry-run", help="Only show what would change."),
        remove: bool = Option(False, "--remove", help="Take it away; nothing else changes."),
        as_json: Json = False,
        mission: MissionPath = None,
    ) -> int:
        path = locate_to_change(mission)
        return _set_up_agent(path, agent, yes and not dry_run, dry_run, remove, as_json)

    return command


for _name in KITS:
    setup_app.command(_name, help=HELP[_name])(_kit_command(_name))


def _set_up_agent(
    path: Path, agent: str, yes: bool, dry_run: bool, remove: bool, as_json: bool
) -> int:
    layout = look_at_mission(path).layout
    files = plan_kit(layout, agent, removes=remove)
    shown = [diff_line(line) for each in files for line in each.diff]
    is_asked = bool(files) and is_somebody_there() and not (yes or dry_run or as_json)
    if is_asked:
        for line in shown:
            warn(line)
        yes = _is_yes("Change it? [y/N] " if len(files) == 1 else "Change them? [y/N] ")
    if yes and files:
        refuse_agent(layout, doing="change what agents are told")
        write_kit(layout, files)
    done = KitSetup(agent, files, written=yes and bool(files))
    lines = [] if done.written or is_asked else shown
    lines += [f"{VERBS[each.action][done.written]} {clean(each.path)}" for each in files]
    if not files:
        lines = [paint(f"{agent} is {'not set up' if remove else 'set up already'}", "dim")]
    again = f"mission setup {agent}{' --remove' if remove else ''} --yes"
    paths = shlex.join(dict.fromkeys(each.path.partition("/skills/")[0] for each in files))
    kept = "git status" if remove else f"git add {paths}"
    then = [kept if done.written else again] if files else ["mission status"]
    return answer(
        "agent.kit", done, lines, then=then, show_next=bool(files), as_is=True, as_json=as_json
    )
