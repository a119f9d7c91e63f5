"""Who may ask the web board for what: looked at before any page is made.

- The `Host` must be a name of this server: a page of another name that was made to point here
  (DNS rebinding) reads nothing.
- A change must come from one of our own pages: by its `Origin`, and by the token that is in
  each form (`mosaic.web.changes`).
- Where there is an access token, nothing is shown without it.
- Every answer carries a policy under which nothing runs that is not in our own files.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from mosaic.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ENTER = "/enter"
STATIC = "/static/"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: forms would then come from the origin `null`.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
OTHER_NAME = "this server has another name: open it by the one that `mission web` printed\n"
LOOKS = ("GET", "HEAD")


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Who may do what on one server."""

    host: str
    """The address that it listens on, as it was named."""
    port: int
    token: str | None = None
    """What a person has to enter before anything is shown; None: nothing."""
    read_only: bool = False
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """What each form carries. A new server has a new one."""
    pass_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """What the cookie of a person holds who entered the token."""

    @property
    def cookie(self) -> str:
        """The name of that cookie. Ports of one host share their cookies."""
        return f"mission-{self.port}"

    def knows_host(self, named: str | None) -> bool:
        """Tell whether a `Host` header names this server."""
        name = host_part(named or "")
        if is_loopback(self.host):
            return name in ("localhost", "127.0.0.1", "[::1]", bracketed(self.host))
        if name in (bracketed(self.host), socket.gethostname().lower(), "localhost"):
            return True
        return _address_of(self.host) in ("0.0.0.0", "::") and bool(_address_of(name))  # noqa: S104

    def has_entered(self, scope: Scope) -> bool:
        """Tell whether a request is of a person who entered the token, where there is one."""
        given = Request(scope).cookies.get(self.cookie, "")
        return self.token is None or same_secret(given, self.pass_token)


def same_secret(given: str, expected: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def host_part(named: str) -> str:
    """Return the name in a `Host` header, without its port, in small letters."""
    name = named.strip().lower()
    if name.startswith("["):
        return f"{name.partition(']')[0]}]"
    return name.partition(":")[0]


def bracketed(host: str) -> str:
    """Return a host as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host.lower()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host that is listened on."""
    if host.lower() == "localhost":
        return True
    address = _address_of(host)
    return bool(address) and ipaddress.ip_address(address).is_loopback


def _address_of(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return ""


class Guard:
    """Asks of each request whether it may, and adds the headers to each answer.

    Args:
        app: what makes the pages.
        access: who may do what.
        refuse: makes the page of a refusal, of its status and words, and the path asked for.
    """

    def __init__(
        self, app: ASGIApp, access: Access, refuse: Callable[[int, str, str], Response]
    ) -> None:
        self._app = app
        self._access = access
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that may not; None where it may."""
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        if not self._access.knows_host(headers.get("host")):
            return PlainTextResponse(OTHER_NAME, 403)
        if method not in (*LOOKS, "POST"):
            return PlainTextResponse("only GET and POST are answered\n", 405)
        if method == "POST" and not self._is_ours(headers):
            return self._refuse(403, "a change must come from a page of this board itself", path)
        if path == ENTER or path.startswith(STATIC):
            return None
        if not self._access.has_entered(scope):
            return self._refuse(401, "", path)
        if method == "POST" and self._access.read_only:
            return self._refuse(403, "this board was started with `--read-only`", path)
        return None

    def _is_ours(self, headers: Headers) -> bool:
        """Tell whether a change was asked for by one of our own pages, as the browser says."""
        origin = headers.get("origin", "")
        _, _, named = origin.partition("://")
        site = headers.get("sec-fetch-site", "same-origin")
        return bool(named) and named == headers.get("host") and site == "same-origin"
