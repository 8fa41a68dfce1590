"""A small server that answers W&B's real client over HTTP and keeps what it sends, as wandb.ai would.

The client asks GraphQL for what a run and an artifact are, streams history and summary, and puts files at addresses
that it was given. An operation that is not known is kept in `unknown`, and answered with an error.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "a" * 40
"""What the client takes for a key of the API."""


@dataclass
class KeptRun:
    """What the server knows of one run."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    """As they were last given: displayName, groupName, jobType, notes, tags, ..."""
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None
    n_opened: int = 0
    """Times that the client asked whether it exists."""
    used: list[str] = field(default_factory=list)
    """Names of the artifacts that it took as inputs."""

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """Return its history without W&B's own columns."""
        return [{name: value for name, value in row.items() if name[0] != "_"} for row in self.history]


@dataclass
class KeptArtifact:
    """What the server knows of one version of an artifact."""

    number: int
    name: str
    kind: str
    run: str
    metadata: dict[str, Any]
    aliases: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    digest: str = ""
    state: str = "PENDING"


class WandbServer:
    """Runs by their id, artifacts in the order in which they came."""

    def __init__(self) -> None:
        self.runs: dict[str, KeptRun] = {}
        self.artifacts: list[KeptArtifact] = []
        self.unknown: list[str] = []
        self.refuse = False
        """Whether to answer as a server that is down does."""
        self.url = ""
        self._lock = threading.Lock()

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        """Return status and JSON for one request."""
        with self._lock:
            if self.refuse:
                return 503, {"error": "down for maintenance"}
            if path == "/graphql":
                return self._answer_graphql(json.loads(body))
            if path.endswith("/file_stream"):
                self._keep_stream(self.runs[path.split("/")[-2]], json.loads(body))
                return 200, {"exitcode": None, "limits": {}}
            if path.startswith("/upload/"):
                self._keep_file(path.removeprefix("/upload/"), body)
                return 200, {}
            return 404, {}

    def _answer_graphql(self, request: dict[str, Any]) -> tuple[int, Any]:
        _, operation, *_ = re.split(r"\W+", request["query"].strip())
        variables = request.get("variables") or {}
        handle: Callable[[dict[str, Any]], Any] | None = getattr(self, f"_on_{operation}", None)
        if handle is None:
            self.unknown.append(f"{operation} {json.dumps(variables)[:500]} {' '.join(request['query'].split())}")
            return 400, {"errors": [{"message": f"unknown operation {operation}"}]}
        return 200, {"data": handle(variables.get("input") or variables)}

    def _on_Viewer(self, _: dict[str, Any]) -> Any:  # noqa: N802 - the client's name
        return {"viewer": {"id": "1", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": _page([])}}

    def _on_RunResumeStatus(self, asked: dict[str, Any]) -> Any:  # noqa: N802
        run = self.runs.get(asked["name"])
        bucket = None
        if run is not None:
            run.n_opened += 1
            bucket = {
                "id": run.name,
                "name": run.name,
                "summaryMetrics": json.dumps(run.summary),
                "displayName": run.fields.get("displayName"),
                "logLineCount": 0,
                "historyLineCount": len(run.history),
                "eventsLineCount": len(run.events),
                "historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]]),
                "eventsTail": json.dumps([json.dumps(row) for row in run.events[-1:]]),
                "config": json.dumps(run.config),
                "tags": run.fields.get("tags") or [],
                "notes": run.fields.get("notes"),
                "wandbConfig": json.dumps({"t": 1}),
            }
        return {"model": {"id": "1", "name": asked["project"], "entity": {"id": "1", "name": "me"}, "bucket": bucket}}

    def _on_UpsertBucket(self, given: dict[str, Any]) -> Any:  # noqa: N802
        is_new = given["name"] not in self.runs
        run = self.runs.setdefault(given["name"], KeptRun(given["name"]))
        run.fields.update({name: value for name, value in given.items() if value is not None})
        run.config.update(json.loads(given["config"] or "{}"))
        project = {"id": "1", "name": given["project"], "entity": {"id": "1", "name": given["entity"] or "me"}}
        bucket = {
            "id": run.name,
            "name": run.name,
            "displayName": run.fields.get("displayName", run.name),
            "description": "",
            "config": json.dumps(run.config),
            "sweepName": None,
            "project": project,
            "historyLineCount": len(run.history),
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": is_new}}

    def _on_CreateRunFiles(self, given: dict[str, Any]) -> Any:  # noqa: N802
        files = [{"name": n, "uploadUrl": f"{self.url}/upload/run/{given['run']}/{n}"} for n in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}

    def _on_ServerFeaturesQuery(self, _: dict[str, Any]) -> Any:  # noqa: N802
        return {"serverInfo": {"features": []}}

    def _on_ArtifactType(self, _: dict[str, Any]) -> Any:  # noqa: N802
        return {"project": {"artifact": None}}

    def _on_CreateArtifact(self, given: dict[str, Any]) -> Any:  # noqa: N802
        artifact = KeptArtifact(
            number=len(self.artifacts),
            name=given["artifactCollectionName"],
            kind=given["artifactTypeName"],
            run=given["runName"],
            metadata=json.loads(given["metadata"] or "{}"),
            aliases=[alias["alias"] for alias in given["aliases"] or []],
            digest=given["digest"],
        )
        self.artifacts.append(artifact)
        made = {"id": str(artifact.number), "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
        return {"createArtifact": {"artifact": made}}

    def _on_ArtifactByID(self, asked: dict[str, Any]) -> Any:  # noqa: N802
        kept = self.artifacts[int(asked["id"])]
        project = {"id": "1", "internalId": "1", "name": "tuner", "entity": {"name": "me"}}
        return {
            "artifact": {
                "__typename": "Artifact",
                "id": asked["id"],
                "artifactSequence": {"__typename": "ArtifactSequence", "name": kept.name, "project": project},
                "versionIndex": 0,
                "artifactType": {"name": kept.kind},
                "description": None,
                "metadata": json.dumps(kept.metadata),
                "ttlDurationSeconds": -2,
                "ttlIsInherited": False,
                "tags": [],
                "historyStep": None,
                "state": kept.state,
                "size": 1,
                "digest": kept.digest,
                "commitHash": None,
                "fileCount": len(kept.files),
                "createdAt": "2026-01-01T00:00:00Z",
                "updatedAt": None,
                "aliases": [],
            }
        }

    def _on_CreateArtifactManifest(self, given: dict[str, Any]) -> Any:  # noqa: N802
        return {"createArtifactManifest": {"artifactManifest": self._describe_manifest(given["artifactID"])}}

    def _on_UpdateArtifactManifest(self, given: dict[str, Any]) -> Any:  # noqa: N802
        return {"updateArtifactManifest": {"artifactManifest": self._describe_manifest(given["artifactManifestID"])}}

    def _describe_manifest(self, number: str) -> dict[str, Any]:
        url = f"{self.url}/upload/artifact/{number}/wandb_manifest.json"
        return {"id": number, "file": {"id": number, "uploadUrl": url, "uploadHeaders": []}}

    def _on_CreateArtifactFiles(self, given: dict[str, Any]) -> Any:  # noqa: N802
        nodes = [self._describe_file(spec) for spec in given["artifactFiles"]]
        return {"createArtifactFiles": {"files": _page(nodes)}}

    def _describe_file(self, spec: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": spec["name"],
            "name": spec["name"],
            "displayName": spec["name"],
            "uploadUrl": f"{self.url}/upload/artifact/{spec['artifactID']}/{spec['name']}",
            "uploadHeaders": [],
            "uploadMultipartUrls": None,
            "storagePath": None,
            "artifact": {"id": spec["artifactID"]},
        }

    def _on_CommitArtifact(self, given: dict[str, Any]) -> Any:  # noqa: N802
        self.artifacts[int(given["artifactID"])].state = "COMMITTED"
        return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": ""}}}

    def _on_UseArtifact(self, given: dict[str, Any]) -> Any:  # noqa: N802
        self.runs[given["runName"]].used.append(self.artifacts[int(given["artifactID"])].name)
        return {"useArtifact": {"artifact": {"id": given["artifactID"]}}}

    def _keep_stream(self, run: KeptRun, sent: dict[str, Any]) -> None:
        for name, part in (sent.get("files") or {}).items():
            rows = [json.loads(line) for line in part["content"]] if name.endswith((".json", ".jsonl")) else []
            if name == "wandb-summary.json":
                run.summary = rows[-1]
            elif name == "wandb-history.jsonl":
                run.history[part["offset"] :] = rows
            elif name == "wandb-events.jsonl":
                run.events[part["offset"] :] = rows
        if sent.get("complete"):
            run.exit_code = sent["exitcode"]

    def _keep_file(self, place: str, content: bytes) -> None:
        kind, owner, name = place.split("/", 2)
        files = self.runs[owner].files if kind == "run" else self.artifacts[int(owner)].files
        files[name] = content


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def serve() -> Iterator[WandbServer]:
    """Serve on a free port for the time of the block."""
    server = WandbServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            status, answer = server.answer(self.path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the standard library's names

    http = _QuietServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def _page(items: list[Any]) -> dict[str, Any]:
    return {"edges": [{"node": item} for item in items]}
