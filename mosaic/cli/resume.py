"""`mission resume`."""

from typer import Option

from mosaic.cli import options
from mosaic.cli.completers import complete_checkpoint_number
from mosaic.cli.next_view import (
    launch,
    launch_mode,
    print_hand_off,
    refuse_elsewhere,
    usual_executor,
)
from mosaic.cli.options import Json, MissionPath, seconds_of
from mosaic.sessions.choice import HandOffRequest
from mosaic.store.reading import locate_mission

EXAMPLES = (
    ("mission resume", "go on with what was interrupted, in the agent's conversation"),
    (
        "mission resume T-001 --from 4 --fresh",
        "restore checkpoint 4 first; begin a new conversation",
    ),
)


def resume_command(
    task_id: options.MaybeTaskId = None,
    runtime: options.RuntimeName = None,
    model: options.ModelName = None,
    fresh: options.Fresh = False,
    from_checkpoint: int | None = Option(
        None,
        "--from",
        metavar="SEQ",
        autocompletion=complete_checkpoint_number,
        help="Set the work tree back to this checkpoint first.",
    ),
    print_only: options.PrintOnly = False,
    headless: options.Headless = False,
    detach: options.Detach = False,
    executor: options.ExecutorName = None,
    hosts: options.Hosts = None,
    timeout: options.Timeout = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Hand an interrupted task off again, in the agent's own conversation where it can be."""
    refuse_elsewhere(hosts, executor)
    place = executor or (usual_executor() if detach else None)
    request = HandOffRequest(
        task_id=task_id,
        runtime=runtime,
        model=model,
        mode=launch_mode(headless=headless or as_json or place == "process"),
        timeout_seconds=seconds_of(timeout),
        resuming=True,
        hosts=tuple(hosts or ()),
        in_pane=executor == "tmux",
        fresh=fresh,
        from_checkpoint=from_checkpoint,
    )
    path = locate_mission(mission)
    if print_only:
        return print_hand_off(path, request, as_json=as_json)
    return launch(path, request, place, as_json=as_json)
