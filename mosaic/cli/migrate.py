"""`mission migrate`."""

from typer import Option

from mosaic.app.migration import migrate
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, paint, plain
from mosaic.sessions.inspect import scopes_elsewhere
from mosaic.store.reading import locate_to_change

EXAMPLES = (
    ("mission migrate --dry-run", "what would be moved and renamed"),
    ("mission migrate", "do it"),
)


def migrate_command(
    dry_run: bool = Option(False, "--dry-run", help="Only say what would be done."),
    undo: bool = Option(False, "--undo", help="Take it back, until it is committed."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Bring an older mission into today's layout and key names."""
    path = locate_to_change(mission)
    done = migrate(path, dry_run=dry_run, undo=undo)
    lines = [clean(line) for line in done.actions] or [paint("nothing to migrate", "dim")]
    found = scopes_elsewhere(path if dry_run else done.mission_file)
    lines += [clean(f"{each.path}:{each.line}  {each.message}; {each.hint}") for each in found]
    if done.actions and not (dry_run or undo):
        lines.append(paint("until you commit it, `mission migrate --undo` takes it back", "dim"))
    data = {**plain(done), "dry_run": dry_run, "undo": undo, "scopes": found}
    return answer("mission.migrate", data, lines, then=["mission check"], as_json=as_json)
