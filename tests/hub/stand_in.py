"""A stand-in of the Hugging Face hub on loopback: repositories of files, answered as the hub
answers.

with running(Hub()) as hub:
    hub.add("models", "google-bert/bert-base-uncased", {"config.json": b"{}"},
      also="bert-base-uncased")
    subprocess.run(…, env={"HF_ENDPOINT": hub.address})
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "5d2f1e0c" * 5


@dataclass
class Hub:
    """What is served. Files are by kind ("models", "datasets"), repository and path."""

    repositories: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    # old names that redirect, as bert-base-uncased does
    moved: dict[tuple[str, str], str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    # repositories for which the connection ends without an answer
    silent: set[str] = field(default_factory=set)
    # file → bytes after which the connection ends
    broken: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def add(self, kind: str, name: str, files: dict[str, bytes], also: str | None = None) -> None:
        self.repositories[kind, name] = files
        if also is not None:
            self.moved[kind, also] = name

    def fetched(self, suffix: str) -> list[str]:
        """The GET requests for files of this ending."""
        return [
            line
            for line in self.asked
            if line.startswith("GET") and line.split("?")[0].endswith(suffix)
        ]


def entry(path: str, content: bytes) -> dict[str, Any]:
    return {
        "type": "file",
        "oid": hashlib.sha1(content).hexdigest(),
        "size": len(content),
        "path": path,
    }


def listing(files: dict[str, bytes], below: str, deep: bool) -> list[dict[str, Any]]:
    """Folders and files below a folder, all of them or only its own."""
    start = f"{below}/" if below else ""
    inside = {path: content for path, content in files.items() if path.startswith(start)}
    folders = {
        path[: index.start()]
        for path in inside
        for index in re.finditer("/", path)
        if index.start() >= len(start)
    }
    own = [folder for folder in sorted(folders) if deep or "/" not in folder[len(start) :]]
    return [
        *({"type": "directory", "oid": "0" * 40, "size": 0, "path": folder} for folder in own),
        *(
            entry(path, content)
            for path, content in inside.items()
            if deep or "/" not in path[len(start) :]
        ),
    ]


class Handler(BaseHTTPRequestHandler):
    """One request; `server.hub` has the files."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def log_message(self, *_: Any) -> None:
        pass

    @property
    def hub(self) -> Hub:
        result: Hub = self.server.hub  # type: ignore[attr-defined]
        return result

    def answer(self, body: bytes = b"") -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        parts = urlsplit(self.path)
        path, query = (
            unquote(parts.path),
            {name: values[0] for name, values in parse_qs(parts.query).items()},
        )
        if result := re.fullmatch(
            r"/api/(models|datasets)/(.+?)(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?", path
        ):
            self.api(*result.groups(), query, body)
        elif result := re.fullmatch(r"/(datasets/)?(.+?)/resolve/([^/]+)/(.+)", path):
            self.file("datasets" if result[1] else "models", result[2], result[4])
        else:
            self.failed(404, "EntryNotFound", "nothing here")

    def repository(self, kind: str, name: str) -> dict[str, bytes] | None:
        """The files of a repository; None where the answer has been given already."""
        if name in self.hub.silent:
            self.close_connection = True
        elif (kind, name) in self.hub.moved:
            there = self.path.replace(name, self.hub.moved[kind, name], 1)
            self.send(307, b"", {"Location": there})
        elif (kind, name) not in self.hub.repositories:
            # so it tells those who are not logged in
            self.failed(401, "RepoNotFound", "Invalid username or password.")
        elif name in self.hub.gated:
            self.failed(
                401,
                "GatedRepo",
                f"Access to {name} is restricted. You must be authenticated to access it.",
            )
        else:
            return self.hub.repositories[kind, name]
        return None

    def api(
        self,
        kind: str,
        name: str,
        what: str | None,
        revision: str | None,
        below: str | None,
        query: dict[str, str],
        body: bytes,
    ) -> None:
        if (files := self.repository(kind, name)) is None:
            return
        if revision not in (None, "main", COMMIT) and not (revision or "").startswith("refs"):
            self.failed(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif what == "tree":
            self.json(listing(files, below or "", query.get("recursive") == "True"))
        elif what == "paths-info":
            expected = parse_qs(body.decode()).get("paths") or json.loads(body or b"{}").get(
                "paths", []
            )
            self.json([entry(path, files[path]) for path in expected if path in files])
        else:
            siblings = [
                {"rfilename": path} | ({"size": len(files[path])} if "blobs" in query else {})
                for path in files
            ]
            self.json(
                {
                    "_id": "0",
                    "id": name,
                    "modelId": name,
                    "sha": COMMIT,
                    "private": False,
                    "gated": False,
                    "tags": [],
                    "disabled": False,
                    "downloads": 0,
                    "likes": 0,
                    "siblings": siblings,
                    "lastModified": "2024-01-01T00:00:00.000Z",
                }
            )

    def file(self, kind: str, name: str, path: str) -> None:
        if (files := self.repository(kind, name)) is None:
            return
        message = {"X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if path not in files:
            self.failed(404, "EntryNotFound", "Entry not found", message)
            return
        content = files[path]
        message["ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
        first, status = 0, 200
        if result := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(result[1]), min(int(result[2] or len(content) - 1), len(content) - 1)
            message["Content-Range"], status = f"bytes {first}-{last}/{len(content)}", 206
            content = content[first : last + 1]
        if self.command == "GET" and path in self.hub.broken:
            self.cut(content, max(0, self.hub.broken[path] - first), status, message)
        else:
            self.send(status, content, message)

    def cut(self, content: bytes, after: int, status: int, message: dict[str, str]) -> None:
        """Promise all of it, send some, and hang up."""
        self.send(status, content[:after], message, length=len(content))
        self.wfile.flush()
        self.close_connection = True

    def failed(
        self, status: int, code: str, message: str, text: dict[str, str] | None = None
    ) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message, **(text or {})}
        self.send(status, json.dumps({"error": message}).encode(), headers)

    def json(self, value: Any) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send(
        self, status: int, content: bytes, headers: dict[str, str], length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {
            **headers,
            "Content-Length": str(len(content) if length is None else length),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """The hub at an address of its own, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = hub  # type: ignore[attr-defined]
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
