"""A stand-in for the model servers of agents, on loopback, that says what it is told to.

It answers `POST …/messages` as Anthropic's server does, `POST …/responses` as OpenAI's, and
`POST …:streamGenerateContent` as Google's, streaming. Each request that carries tools takes the
next `Reply` of the script; the last one is said again and again. Every request is kept in
`requests`.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer of the model, or one failure of its server."""

    text: str = ""
    tool: str = ""
    """The name of a tool to call: `Write`, `Bash` for claude, `exec_command` for codex,
    `write_file`, `run_shell_command` for gemini."""
    arguments: dict[str, Any] = field(default_factory=dict)
    namespace: str = ""
    """What a tool of a server belongs to, for codex; its name is within that."""
    plain: str = ""
    """What a tool of codex that takes plain text is called with: `apply_patch`."""
    status: int = 200
    message: str = "the server says no"
    code: str | None = None
    hang: bool = False
    """Answer nothing until the server is closed."""
    drop: bool = False
    """Close the connection without a word."""
    cut: bool = False
    """Close it in the middle of the answer."""
    pause: bool = False
    """Stop in the middle of the answer until the server is closed."""
    stop_reason: str = ""
    """Why Anthropic's server ends the answer: `refusal`, `model_context_window_exceeded`; or
    Google's: `SAFETY`, `MAX_TOKENS`."""
    incomplete: str = ""
    """Why OpenAI's server ends the answer before its end: `content_filter`."""
    failed: str = ""
    """The code with which OpenAI's server fails within the stream; `message` are its words."""
    kind: str = ""
    """The type of the error, where it is not the usual one for the status."""
    details: tuple[dict[str, Any], ...] = ()
    """What Google's server says beside the words of an error."""
    headers: dict[str, str] = field(default_factory=dict)
    input_tokens: int = 1000
    output_tokens: int = 50


@dataclass
class Script:
    """What the server will say, and what it was asked."""

    replies: list[Reply] = field(default_factory=lambda: [Reply(text="done")])
    requests: list[dict[str, Any]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_for_requests(self, count: int, limit_seconds: float) -> None:
        """Wait until so many requests were made; after the limit, no longer."""
        until = time.monotonic() + limit_seconds
        while len(self.requests) < count and time.monotonic() < until:
            time.sleep(0.02)

    def say(self, *replies: Reply) -> None:
        """Set what is said from now on."""
        with self.lock:
            self.replies = list(replies)
            self.asked.clear()

    def take(self, body: dict[str, Any]) -> Reply:
        """Keep a request and return the next reply."""
        with self.lock:
            self.requests.append(body)
            self.asked.set()
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def asked_for(self) -> str:
        """Return everything that was asked so far, as text."""
        return json.dumps(self.requests, ensure_ascii=False)


class ModelServer(ThreadingHTTPServer):
    """The server, with its script."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = Script()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that are killed hang up without a word."""


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Run a server for as long as the block lasts."""
    server = ModelServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.script.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def log_message(self, *_arguments: Any) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self._json({})

    def do_GET(self) -> None:
        self._json({"data": [], "models": []})

    def do_POST(self) -> None:
        body = self._body()
        path = self.path.partition("?")[0]
        if path.endswith("/count_tokens"):
            self._json({"input_tokens": 1})
        elif path.endswith("/messages"):
            self._answer(body, _Anthropic(body))
        elif path.endswith("/responses"):
            self._answer(body, _OpenAI(body))
        elif path.endswith(":streamGenerateContent"):
            self._answer({**body, "stream": True}, _Google(body))
        elif path.endswith(":generateContent"):
            self._answer(body, _Google(body))
        else:
            self._json({"error": {"message": "no such thing here"}}, status=404)

    def _answer(self, body: dict[str, Any], dialect: _Anthropic | _OpenAI | _Google) -> None:
        script = self.server.script
        reply = script.take(body) if dialect.is_main else Reply(text="a title")
        if reply.hang:
            script.closing.wait()
        if reply.hang or reply.drop or (reply.cut and not body.get("stream")):
            self.close_connection = True
            self.connection.close()
        elif reply.status != 200:
            self._json(dialect.error(reply), status=reply.status, headers=reply.headers)
        elif body.get("stream"):
            self._stream(dialect.events(reply), reply)
        else:
            self._json(dialect.whole(reply))

    def _body(self) -> dict[str, Any]:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            value = json.loads(data)
        except ValueError:
            return {"unreadable": len(data), "encoding": self.headers.get("content-encoding")}
        return value if isinstance(value, dict) else {}

    def _json(
        self,
        value: dict[str, Any],
        status: int = 200,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _stream(self, events: Iterator[tuple[str, dict[str, Any]]], reply: Reply) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for number, (name, data) in enumerate(events):
            if reply.cut and number:
                self.connection.close()
                return
            head = f"event: {name}\n" if name else ""
            line = json.dumps({"type": name, **data} if name else data)
            self.wfile.write(f"{head}data: {line}\n\n".encode())
            self.wfile.flush()
            if reply.pause and (not name or name.endswith(("block_delta", "text.delta"))):
                self.server.script.closing.wait()
                self.connection.close()
                return


class _Anthropic:
    """Anthropic's messages."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._model = body.get("model")
        self.is_main = bool(body.get("tools")) and int(body.get("max_tokens") or 0) > 1

    def error(self, reply: Reply) -> dict[str, Any]:
        kinds = {
            400: "invalid_request_error",
            404: "not_found_error",
            401: "authentication_error",
            429: "rate_limit_error",
            529: "overloaded_error",
        }
        kind = reply.kind or kinds.get(reply.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": reply.message}}

    def whole(self, reply: Reply) -> dict[str, Any]:
        return {
            "id": f"msg_{uuid.uuid4().hex}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": self._blocks(reply),
            "stop_reason": self._stop(reply),
            "stop_sequence": None,
            "usage": self._usage(reply),
        }

    def events(self, reply: Reply) -> Iterator[tuple[str, dict[str, Any]]]:
        start = {**self.whole(reply), "content": [], "stop_reason": None}
        yield "message_start", {"message": start}
        for index, block in enumerate(self._blocks(reply)):
            if block["type"] == "text":
                empty: dict[str, Any] = {"type": "text", "text": ""}
                delta = {"type": "text_delta", "text": block["text"]}
            else:
                empty = {**block, "input": {}}
                delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            yield "content_block_start", {"index": index, "content_block": empty}
            yield "content_block_delta", {"index": index, "delta": delta}
            yield "content_block_stop", {"index": index}
        stop = {"stop_reason": self._stop(reply), "stop_sequence": None}
        yield "message_delta", {"delta": stop, "usage": self._usage(reply)}
        yield "message_stop", {}

    def _blocks(self, reply: Reply) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        if reply.text:
            blocks.append({"type": "text", "text": reply.text})
        if reply.tool:
            call = {"id": f"toolu_{uuid.uuid4().hex[:20]}", "name": reply.tool}
            blocks.append({"type": "tool_use", **call, "input": reply.arguments})
        return blocks

    def _stop(self, reply: Reply) -> str:
        return reply.stop_reason or ("tool_use" if reply.tool else "end_turn")

    def _usage(self, reply: Reply) -> dict[str, Any]:
        return {
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        }


class _OpenAI:
    """OpenAI's responses."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.is_main = len(body.get("tools") or ()) != 1  # a title is asked for with one
        self._model = body.get("model")
        self._id = f"resp_{uuid.uuid4().hex}"

    def error(self, reply: Reply) -> dict[str, Any]:
        kind = reply.kind or "error"
        return {"error": {"message": reply.message, "type": kind, "code": reply.code}}

    def whole(self, reply: Reply) -> dict[str, Any]:
        total = reply.input_tokens + reply.output_tokens
        usage = {
            "input_tokens": reply.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": total,
        }
        items = self._items(reply)
        return {**self._base(), "status": "completed", "output": items, "usage": usage}

    def events(self, reply: Reply) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "response.created", {"response": self._base()}
        for index, item in enumerate(self._items(reply)):
            place = {"output_index": index}
            yield "response.output_item.added", {**place, "item": item}
            if item["type"] == "message":
                part = {"item_id": item["id"], "content_index": 0, "delta": reply.text}
                yield "response.output_text.delta", {**place, **part}
            yield "response.output_item.done", {**place, "item": item}
        whole = self.whole(reply)
        if reply.incomplete:
            why = {"status": "incomplete", "incomplete_details": {"reason": reply.incomplete}}
            yield "response.incomplete", {"response": {**whole, **why}}
        elif reply.failed:
            why = {"status": "failed", "error": {"code": reply.failed, "message": reply.message}}
            yield "response.failed", {"response": {**whole, **why}}
        else:
            yield "response.completed", {"response": whole}

    def _base(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "response",
            "created_at": int(time.time()),
            "model": self._model,
            "status": "in_progress",
            "output": [],
            "usage": None,
        }

    def _items(self, reply: Reply) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        if reply.text:
            content = [{"type": "output_text", "text": reply.text, "annotations": []}]
            message = {"role": "assistant", "status": "completed", "content": content}
            items.append({"type": "message", "id": f"msg_{self._id}", **message})
        if reply.tool:
            call: dict[str, Any] = {"type": "function_call", "name": reply.tool}
            call |= {"namespace": reply.namespace} if reply.namespace else {}
            if reply.plain:
                call |= {"type": "custom_tool_call", "input": reply.plain}
            else:
                call["arguments"] = json.dumps(reply.arguments)
            ids = {"id": f"fc_{self._id}", "call_id": f"call_{uuid.uuid4().hex[:20]}"}
            items.append({**ids, **call, "status": "completed"})
        return items


class _Google:
    """Google's generated contents; its events have no names."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.is_main = bool(body.get("tools"))

    def error(self, reply: Reply) -> dict[str, Any]:
        kinds = {
            400: "INVALID_ARGUMENT",
            401: "UNAUTHENTICATED",
            403: "PERMISSION_DENIED",
            404: "NOT_FOUND",
            429: "RESOURCE_EXHAUSTED",
            503: "UNAVAILABLE",
        }
        kind = reply.kind or kinds.get(reply.status, "INTERNAL")
        error = {"code": reply.status, "message": reply.message, "status": kind}
        return {"error": {**error, "details": list(reply.details)}}

    def whole(self, reply: Reply) -> dict[str, Any]:
        return self._part(self._parts(reply), reply)

    def events(self, reply: Reply) -> Iterator[tuple[str, dict[str, Any]]]:
        for part in self._parts(reply):
            yield "", self._part([part])
        yield "", self._part([{"text": ""}], reply)

    def _part(self, parts: list[dict[str, Any]], last: Reply | None = None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if last is None:
            return {"candidates": [candidate]}
        usage = {
            "promptTokenCount": last.input_tokens,
            "candidatesTokenCount": last.output_tokens,
            "totalTokenCount": last.input_tokens + last.output_tokens,
        }
        candidate["finishReason"] = last.stop_reason or "STOP"
        return {"candidates": [candidate], "usageMetadata": usage}

    def _parts(self, reply: Reply) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = [{"text": reply.text}] if reply.text else []
        if reply.tool:
            parts.append({"functionCall": {"name": reply.tool, "args": reply.arguments}})
        return parts
