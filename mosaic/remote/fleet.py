"""Calling a fleet: a Dask scheduler with its workers, by Dask's own client.

Dask says who has room and gives a run to a worker; it carries no file and no result. `distributed`
is imported when a fleet is called, and never before. Certificates for `tls://` come from a
person's own settings of Dask.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from mosaic.errors import ExtraMissingError, FailedError, UnreachableError
from mosaic.records import NamedTuple
from mosaic.remote import on_fleet
from mosaic.remote.link import error_from
from mosaic.remote.on_fleet import AGENTS, key_of, run_of_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from distributed import Client

    from mosaic.errors import MissionError
    from mosaic.settings import HostSpec

CALL_SECONDS = 60.0
SAME_HINT = "install the same version of `mosaic-mission` for the scheduler and all workers"
CONNECT_SECONDS = 10.0
HANDSHAKE_SECONDS = 20.0
_POLL_SECONDS = 0.02
Answer = TypeVar("Answer")


class FleetWorker(NamedTuple):
    """One worker of a fleet."""

    name: str
    address: str
    machine: str
    agents: int
    """How many agents may work there at once."""
    threads: int
    labels: Mapping[str, int]
    """What else it offers, and how many agents may use that at once."""
    running: tuple[str, ...]
    """The runs that it carries."""
    waiting: tuple[str, ...]
    """Those that wait for one of them to end."""


class FleetState(NamedTuple):
    """A fleet as its scheduler sees it."""

    workers: tuple[FleetWorker, ...]
    unplaced: tuple[str, ...]
    """The runs that no worker can take as it is."""
    versions: Mapping[str, str]
    """Of the scheduler: what must be the same everywhere."""

    @property
    def agents(self) -> int:
        """How many agents may work at once in all of it."""
        return sum(worker.agents for worker in self.workers)


def look_at_fleet(host: HostSpec) -> FleetState:
    """Return the workers of a fleet and what they do; UnreachableError where it does not answer."""

    async def look(client: Client) -> Any:
        return await client.run_on_scheduler(on_fleet.see_scheduler)

    seen = _called(host, look)
    return FleetState(
        workers=tuple(map(_worker, seen["workers"])),
        unplaced=tuple(map(run_of_key, seen["unplaced"])),
        versions=seen["versions"],
    )


def _worker(seen: Mapping[str, Any]) -> FleetWorker:
    offered = dict(seen["resources"])
    agents = offered.pop(AGENTS, 0)
    given = [run_of_key(key) for key in seen["given"]]
    # What runs comes with a worker's heartbeat, so it may be some seconds old.
    known = {run_of_key(key) for key in seen["running"]}
    running = [run for run in given if run in known]
    return FleetWorker(
        name=seen["name"],
        address=seen["address"],
        machine=seen["machine"],
        agents=agents,
        threads=seen["threads"],
        labels=offered,
        running=tuple(running),
        waiting=tuple(run for run in given if run not in known),
    )


def submit_run(
    host: HostSpec,
    run_id: str,
    token: str,
    values: Mapping[str, Any],
    labels: Iterable[str],
    *,
    watch_seconds: float = 0,
) -> None:
    """Give a run to a fleet, once: submitted again while the scheduler knows it, nothing happens.

    Args:
        values: what the worker needs to carry it.
        labels: the resources that its worker must offer, beside one for an agent.
        watch_seconds: how long to see whether it fails at once.

    Raises:
        FailedError: it failed, and why, as its worker says.
        UnreachableError: the scheduler did not answer; whether it heard is not known.
    """
    key = key_of(run_id, token)

    async def submit(client: Client) -> None:
        from distributed import fire_and_forget

        future = client.submit(
            on_fleet.carry_here,
            host.folder,
            [*host.path],
            dict(values),
            key=key,
            retries=0,
            pure=False,
            resources=dict.fromkeys((AGENTS, *labels), 1),
        )
        fire_and_forget(future)
        # What a client sends last may be lost when it closes.
        while await _status_of(client, key) is None and not future.done():  # noqa: ASYNC110 - no event
            await asyncio.sleep(_POLL_SECONDS)
        error = None
        with contextlib.suppress(TimeoutError):
            if watch_seconds:
                error = await asyncio.wait_for(future.exception(), watch_seconds)
        if error is not None:
            words = f"a worker of `{host.name}` cannot carry run {run_id}"
            raise FailedError(words, detail=_words(error), hint=SAME_HINT)

    _called(host, submit)


def is_known(host: HostSpec, run_id: str, token: str) -> bool:
    """Tell whether the scheduler has a run's task, waiting or at work."""

    async def ask(client: Client) -> str | None:
        return await _status_of(client, key_of(run_id, token))

    return _called(host, ask) not in (None, "erred", "memory", "forgotten")


def withdraw_run(host: HostSpec, run_id: str, token: str) -> None:
    """Take a run that waits out of a fleet's queue. One at work is not ended by that."""

    async def cancel(client: Client) -> None:
        from distributed import Future

        await client.cancel([Future(key_of(run_id, token), client)], force=True)

    _called(host, cancel)


def ask_workers(
    host: HostSpec, op: str, values: Mapping[str, Any], workers: Iterable[str] | None = None
) -> dict[str, dict[str, Any] | MissionError]:
    """Ask workers one thing, and return by address what each says, or what went wrong.

    Args:
        op: a question that `mosaic.there` answers.
        workers: their addresses; None: all of them.
    """
    asked = None if workers is None else [*workers]

    async def ask(client: Client) -> Any:
        there = (host.folder, [*host.path], op, dict(values))
        return await client.run(on_fleet.answer_here, *there, workers=asked, on_error="return")

    return {address: _said(address, said) for address, said in _called(host, ask).items()}


def adopt_run(host: HostSpec, values: Mapping[str, Any]) -> bool:
    """Have a run carried on by the machine that keeps it; tell whether a worker's machine does."""

    async def ask(client: Client) -> Any:
        there = (host.folder, [*host.path], dict(values))
        return await client.run(on_fleet.adopt_here, *there, on_error="return")

    return any(said is True for said in _called(host, ask).values())


def _said(address: str, said: Any) -> dict[str, Any] | MissionError:
    if isinstance(said, BaseException):
        return FailedError(f"worker `{address}` cannot answer", detail=_words(said))
    if error := said.get("error"):
        return error_from(error, address)
    return dict(said)


def require_distributed() -> None:
    """Make sure that Dask is installed; an ExtraMissingError where it is not."""
    if find_spec("distributed") is None:
        raise ExtraMissingError("a fleet", "fleet", "distributed")


async def _status_of(client: Client, key: str) -> str | None:
    assert client.scheduler is not None
    found: dict[str, str | None] = await client.scheduler.get_task_status(keys=[key])
    return found[key]


def _called(host: HostSpec, ask: Callable[[Client], Awaitable[Answer]]) -> Answer:
    """Return what a scheduler answers; an UnreachableError where it does not."""
    require_distributed()
    from distributed import Client

    _silence()

    async def call() -> Answer:
        client = Client(
            _address_of(host),
            asynchronous=True,
            set_as_default=False,
            timeout=CONNECT_SECONDS,
            name="mission",
        )
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):  # who answers may be no scheduler
                await client
            async with asyncio.timeout(CALL_SECONDS):
                return await ask(client)
        finally:
            with contextlib.suppress(OSError):
                await client.close()

    try:
        with warnings.catch_warnings():
            # That versions differ is seen by `mission hosts check`, or when something fails.
            warnings.simplefilter("ignore")
            return asyncio.run(call())
    except (OSError, ValueError, TypeError) as error:
        # A timeout is an OSError, as is a comm that closed; a TypeError: TLS has no certificates.
        raise UnreachableError(host.name, _words(error)) from None
    except (ImportError, AttributeError) as error:
        raise FailedError(
            f"the scheduler of `{host.name}` cannot load `mosaic`",
            detail=_words(error),
            hint=SAME_HINT,
        ) from None


def _address_of(host: HostSpec) -> str:
    """Return a scheduler's address, from its file where that is what is named."""
    if "://" in host.scheduler:
        return host.scheduler
    path = os.path.expanduser(host.scheduler)
    try:
        with open(path, "rb") as file:
            return str(json.load(file)["address"])
    except FileNotFoundError:
        why = f"there is no scheduler file `{path}`"
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"`{path}` is not a scheduler file: {_words(error)}"
    raise UnreachableError(host.name, why)


def _silence() -> None:
    """Keep what Dask logs by itself off our stderr; what matters comes as an error."""
    for name in ("distributed", "distributed.client", "distributed.comm", "asyncio", "tornado"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = False


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return " ".join(str(error).split()) or type(error).__name__
