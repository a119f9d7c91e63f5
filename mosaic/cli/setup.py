"""`mission setup`."""

import sys
from pathlib import Path

from typer import Option, Typer

from mosaic.app.merge_driver import set_up_git
from mosaic.cli.consent import is_somebody_there
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, paint, warn
from mosaic.store.mission_file import look_at_mission
from mosaic.store.reading import locate_to_change

EXAMPLES = (
    ("mission setup git --dry-run", "what git would be told in this clone"),
    ("mission setup git --yes", "do it without asking"),
)
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
    sys.stderr.write("Set it up? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
