"""`mission resume`."""

from typer import Option

from mosaic.cli.next_view import launch, launch_mode, print_hand_off
from mosaic.cli.options import (
    Detach,
    ExecutorName,
    Fresh,
    Headless,
    Json,
    MaybeTaskId,
    MissionPath,
    ModelName,
    PrintOnly,
    RuntimeName,
    Timeout,
    seconds_of,
)
from mosaic.store.reading import locate_mission


def resume_command(
    task_id: MaybeTaskId = None,
    runtime: RuntimeName = None,
    model: ModelName = None,
    fresh: Fresh = False,
    from_checkpoint: int | None = Option(
        None, "--from", metavar="SEQ", help="Set the work tree back to this checkpoint first."
    ),
    print_only: PrintOnly = False,
    headless: Headless = False,
    detach: Detach = False,
    executor: ExecutorName = None,
    timeout: Timeout = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Hand an interrupted task off again, in the agent's own conversation where it can be."""
    from mosaic.sessions.choice import HandOffRequest

    place = executor or ("process" if detach else None)
    request = HandOffRequest(
        task_id=task_id,
        runtime=runtime,
        model=model,
        mode=launch_mode(headless=headless or as_json or place == "process"),
        timeout_seconds=seconds_of(timeout),
        resuming=True,
        fresh=fresh,
        from_checkpoint=from_checkpoint,
    )
    path = locate_mission(mission)
    if print_only:
        return print_hand_off(path, request, as_json=as_json)
    return launch(path, request, place, as_json=as_json)
