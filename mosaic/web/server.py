"""The server of the web board: its address, and its life from start to Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
from typing import TYPE_CHECKING

import uvicorn

from mosaic.errors import FailedError, UsageError
from mosaic.records import NamedTuple
from mosaic.web.guard import Access, bracketed, is_loopback
from mosaic.web.site import build_site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.web.reader import Reader

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 7470
MOST_TRIES = 50
"""Ports from the default one on that are tried."""
SHORTEST_TOKEN = 12
LAST_SECONDS = 2
"""How long answers that are being made are waited for at the end."""
MOST_CONNECTIONS = 500


class Opened(NamedTuple):
    """A server that is about to answer."""

    url: str
    port: int
    read_only: bool
    notices: tuple[str, ...]
    """What a person has to know of where it is."""


class _Server(uvicorn.Server):
    """Ends the streams of all pages as soon as it is asked to end."""

    def __init__(self, config: uvicorn.Config, reader: Reader) -> None:
        super().__init__(config)
        self._reader = reader

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._reader.end()
        await super().shutdown(sockets)


def serve(
    mission_file: Path,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    token: str | None = None,
    read_only: bool = False,
    opened: Callable[[Opened], None],
) -> None:
    """Show a mission to browsers until Ctrl-C.

    Args:
        mission_file: path of mission.json.
        host: the address to listen on.
        port: the port; None takes the default one, or the next that is free.
        token: what a person has to enter before anything is shown.
        read_only: whether nothing can be changed.
        opened: is called once browsers can come.

    Raises:
        UsageError: others could reach it and there is no token, or it is too short.
        FailedError: it cannot listen there, or the port is in use.
    """
    _refuse_open(host, token)
    listening, notice = _listen(host, port)
    with listening:
        port = listening.getsockname()[1]
        access = Access(host=host, port=port, token=token, read_only=read_only)
        site, reader = build_site(mission_file, access)
        config = uvicorn.Config(
            site,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="on",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=LAST_SECONDS,
        )
        notices = [*filter(None, [notice]), *_meaning(host)]
        shown = host if _is_one_address(host) else socket.gethostname()
        opened(Opened(f"http://{bracketed(shown)}:{port}/", port, read_only, tuple(notices)))
        with contextlib.suppress(KeyboardInterrupt):
            _Server(config, reader).run(sockets=[listening])


def _refuse_open(host: str, token: str | None) -> None:
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise UsageError(
            f"the token has fewer than {SHORTEST_TOKEN} characters",
            hint=f"a new one: `--token {secrets.token_urlsafe(18)}`",
        )
    if token is None and not is_loopback(host):
        raise UsageError(
            f"others can reach `{host}`, and there is no token",
            detail="who reaches the board reads the mission, and decides and hands off as you",
            hint=f"add a token, such as `--token {secrets.token_urlsafe(18)}`; or leave out "
            "`--host`, and come by `ssh -L`",
        )


def _meaning(host: str) -> list[str]:
    """Return what it means to listen where others can come."""
    if is_loopback(host):
        return []
    return [
        "who can reach this address and knows the token reads the mission, and decides and hands "
        "off as you",
        "what goes over the network is not encrypted, the token neither; `ssh -L`, or a proxy "
        "with TLS, is safer",
    ]


def _is_one_address(host: str) -> bool:
    return host not in ("0.0.0.0", "::")  # noqa: S104


def _listen(host: str, port: int | None) -> tuple[socket.socket, str]:
    """Return a socket that listens, and a notice where that is not on the default port."""
    if port is not None:
        return _bind(host, port), ""
    for number in range(DEFAULT_PORT, DEFAULT_PORT + MOST_TRIES):
        try:
            listening = _bind(host, number)
        except FailedError as error:
            if not isinstance(error.__cause__, OSError) or not _is_in_use(error.__cause__):
                raise
        else:
            took = f"port {DEFAULT_PORT} is in use; {number} is the next one that is free"
            return listening, took if number != DEFAULT_PORT else ""
    raise FailedError(
        f"all ports from {DEFAULT_PORT} to {DEFAULT_PORT + MOST_TRIES - 1} are in use",
        hint="`mission web --port 8080` names another",
    )


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=MOST_CONNECTIONS)
    except (OSError, UnicodeError, OverflowError) as error:
        if _is_in_use(error):
            raise FailedError(
                f"port {port} is in use",
                hint="`--port` with another number; without `--port` the next free one is taken",
            ) from error
        raise FailedError(
            f"this machine cannot listen on `{host}`, port {port}",
            detail=getattr(error, "strerror", None) or str(error),
            hint="`--host` takes an address of this machine; ports below 1024 belong to root",
        ) from error


def _is_in_use(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE
