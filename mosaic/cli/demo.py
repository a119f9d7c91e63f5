"""`mission demo`."""

from pathlib import Path
from tempfile import mkdtemp

from typer import Argument

from mosaic.cli.options import Json
from mosaic.cli.output import answer, paint, write
from mosaic.demo import Demo
from mosaic.errors import MissionExistsError

EXAMPLES = (
    ("mission demo", "a whole mission in a temporary folder, with no agent installed"),
    ("mission demo ../look", "the same in a folder of your choice"),
)


def demo_command(
    directory: Path | None = Argument(
        None, metavar="[DIR]", help="An empty folder; else a temporary one."
    ),
    as_json: Json = False,
) -> int:
    """Play a whole mission with a scripted agent: offline, in a temporary folder."""
    folder = directory.absolute() if directory else Path(mkdtemp(prefix="mission-demo-"))
    if folder.is_dir() and any(folder.iterdir()):
        raise MissionExistsError(folder, hint="name an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    demo = Demo(folder, (lambda _: None) if as_json else _show)
    finished = demo.play()
    return answer(
        "demo",
        {"folder": folder, "finished": finished, "steps": demo.steps},
        ["", f"The mission stays in {folder}"],
        ok=finished,
        then=[f"cd {folder} && mission status"],
        show_next=True,
        as_json=as_json,
    )


def _show(line: str) -> None:
    color = "bold" if line.startswith(("#", "\n#")) else "cyan" if line.startswith("$") else ""
    write(paint(line, color))
