"""Messages to a panel's workers, each delivered once.

    mailbox-<worker>.jsonl    {"id": 1, "created_at": "…", "text": "…", "delivered_at": null,
                               "run_id": null, "how": null}

An agent takes a message at its next turn: its conversation is continued with what waits for
it, at once where it is not at work, else when its turn has ended. Into a pane with an
interactive agent a message can be pasted instead.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from mosaic.codec import dump_record, format_moment, load_record
from mosaic.errors import FailedError, NotReadyError, RecordError, UsageError
from mosaic.executors import executor_of
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import find_bytes, write_private
from mosaic.panels.launch import start_worker
from mosaic.panels.model import PanelEvent
from mosaic.records import dataclass, replace
from mosaic.runtimes import get_runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.model import Text
    from mosaic.panels.record import Panel
    from mosaic.runs.record import Run
    from mosaic.store.mission_file import MissionDocument

LONGEST_MESSAGE = 200_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message to a worker."""

    id: int
    created_at: str
    text: Text
    delivered_at: str | None = None
    run_id: str | None = None
    """The run that received it."""
    how: str | None = None
    """`turn`: at the begin of a turn; `pasted`: into its pane."""


def send_message(panel: Panel, worker: str, text: str) -> Message:
    """Put a message into a worker's mailbox."""
    panel.plan().worker(worker)
    if not text.strip():
        raise UsageError("the message is empty")
    if len(text) > LONGEST_MESSAGE:
        raise UsageError(f"the message has more than {LONGEST_MESSAGE} characters")
    with panel.changing("sending a message to"):
        if panel.state().is_shut_down:
            raise NotReadyError(
                f"`{panel.id}` was shut down", hint=f"`mission panel resume {panel.id}` first"
            )
        messages = read_messages(panel, worker)
        message = Message(id=len(messages) + 1, created_at=format_moment(utc_now()), text=text)
        _write(panel, worker, [*messages, message])
        words = f"to {worker}: message {message.id}"
        panel.note(PanelEvent.MESSAGE_SENT, words, worker=worker, message_id=message.id)
    return message


def deliver(document: MissionDocument, panel: Panel, worker: str) -> list[Message]:
    """Begin a turn with the messages that wait for a worker, if it can take one now.

    Returns what was delivered; nothing where nothing waits, or the worker is at work: what
    carries its run delivers when that has ended.
    """
    state = panel.state()
    waiting = _waiting(panel, worker)
    is_at_work = state.workers[worker].is_at_work
    if not waiting or is_at_work or state.is_stop_requested or state.is_shut_down:
        return []
    conversation = conversation_of(document, panel, worker)
    texts = [each.text for each in waiting]
    run = start_worker(document, panel, worker, conversation, texts)
    return _mark(panel, worker, waiting, run, how="turn") if run else []


def paste(panel: Panel, worker: str) -> list[Message]:
    """Type the messages that wait for a worker into its pane, in which an agent must listen."""
    run = panel.run_of(panel.state().workers[worker])
    executor = executor_of(run) if run and panel.plan().is_interactive else None
    if run is None or executor is None or not executor.can_be_typed_into:
        raise NotReadyError(
            f"`{worker}` has no pane in which an agent listens",
            hint="`panel start --executor tmux --interactive` gives it one",
        )
    done = []
    for message in _waiting(panel, worker):
        executor.paste(message.text)
        done += _mark(panel, worker, [message], run, how="pasted")
    return done


def conversation_of(document: MissionDocument, panel: Panel, worker: str) -> str | None:
    """Return the runtime's own conversation of a worker, where it can be continued."""
    run = panel.run_of(panel.state().workers[worker])
    known = run.find_result().runtime_session_id if run else None
    if known is None:
        return None
    try:
        runtime = get_runtime(panel.plan().worker(worker).runtime, document.mission.runtimes)
    except FailedError:
        return None
    return known if runtime.can_continue(known) else None


def read_messages(panel: Panel, worker: str) -> list[Message]:
    """Return all messages to a worker; a torn line is left out."""
    found = []
    path = panel.mailbox(worker)
    for line in (find_bytes(path) or b"").splitlines():
        with suppress(RecordError):
            found.append(load_record(Message, line, path))
    return found


def _waiting(panel: Panel, worker: str) -> list[Message]:
    return [each for each in read_messages(panel, worker) if each.delivered_at is None]


def _mark(
    panel: Panel, worker: str, messages: Sequence[Message], run: Run, *, how: str
) -> list[Message]:
    ids = sorted({message.id for message in messages})
    now, words = format_moment(utc_now()), f"{len(ids)} to {worker}"
    with panel.changing("delivering a message to"):
        known = read_messages(panel, worker)
        for place, each in enumerate(known):
            if each.id in ids and each.delivered_at is None:
                known[place] = replace(each, delivered_at=now, run_id=run.id, how=how)
        _write(panel, worker, known)
        kind = PanelEvent.MESSAGE_DELIVERED
        panel.note(kind, words, worker=worker, message_ids=ids, run_id=run.id, how=how)
    return [each for each in known if each.id in ids]


def _write(panel: Panel, worker: str, messages: Sequence[Message]) -> None:
    lines = "".join(json.dumps(dump_record(each), ensure_ascii=False) + "\n" for each in messages)
    write_private(panel.mailbox(worker), lines.encode("utf-8", "replace"), root=panel.dir)
