"""A Hub with one repository on 127.0.0.1, for the program and for huggingface_hub; large files come from another port."""

import hashlib
import http.server
import json
import pathlib
import re
import threading
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class FakeHub:
    """Serves the files of `folder` as `repository`; `token`: what Authorization must hold."""

    def __init__(self, folder: pathlib.Path, repository: str, token: str = "") -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.files["README.md"] = b"text\n"
        self.known = {name: self.facts(name) for name in self.files}
        self.repository = repository
        self.token = token
        self.asked: list[tuple[str, str, str]] = []  # method, path, Range
        self.leaked = False  # the token came to the port of the large files
        self.before_bytes = lambda sent: None  # of a large file
        self.storage = self.serve(self.answer_stored)
        self.hub = self.serve(self.answer)
        self.url = f"http://127.0.0.1:{self.hub.server_port}"

    def serve(self, answer) -> http.server.ThreadingHTTPServer:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                answer(self)

            do_HEAD = do_GET

            def log_message(self, *_) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def close(self) -> None:
        for server in (self.hub, self.storage):
            server.shutdown()
            server.server_close()

    def bodies(self, name: str) -> list[str]:
        """The Range headers of GET requests for a file."""
        return [asked_range for method, path, asked_range in self.asked if method == "GET" and path.endswith("/" + name)]

    def large(self, name: str) -> bool:
        return name.endswith(".safetensors")

    def note(self, request) -> str:
        path = urllib.parse.unquote(urllib.parse.urlsplit(request.path).path)
        self.asked.append((request.command, path, request.headers.get("Range", "")))
        return path

    def answer(self, request) -> None:
        path = self.note(request)
        if self.token and request.headers.get("Authorization") != "Bearer " + self.token:
            return self.reply(request, 401, b"", {"X-Error-Code": "RepoNotFound"})
        api = f"/api/models/{self.repository}"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            files = [{"rfilename": name, **self.known[name]} for name in self.files]
            listing = {"id": self.repository, "modelId": self.repository, "sha": COMMIT, "siblings": files,
                       "private": False, "tags": [], "downloads": 0, "likes": 0}
            return self.reply(request, 200, json.dumps(listing).encode(), {"Content-Type": "application/json"})
        if path == f"{api}/tree/{COMMIT}":
            tree = []
            for name in self.files:
                facts = self.known[name]
                entry = {"type": "file", "path": name, "size": facts["size"], "oid": facts["blobId"]}
                if "lfs" in facts:
                    entry["lfs"] = {"oid": facts["lfs"]["sha256"], "size": facts["size"], "pointerSize": 130}
                tree.append(entry)
            return self.reply(request, 200, json.dumps(tree).encode(), {"Content-Type": "application/json"})
        for revision in ("main", COMMIT):
            start = f"/{self.repository}/resolve/{revision}/"
            if path.startswith(start):
                return self.resolve(request, path.removeprefix(start))
        return self.reply(request, 404, b"", {"X-Error-Code": "RepoNotFound"})

    def facts(self, name: str) -> dict:
        content = self.files[name]
        facts = {"size": len(content), "blobId": git_sha1(content)}
        if self.large(name):
            facts["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return facts

    def resolve(self, request, name: str) -> None:
        if name not in self.files:
            return self.reply(request, 404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        facts = self.known[name]
        if not self.large(name):
            return self.reply(request, 200, self.files[name],
                              {"X-Repo-Commit": COMMIT, "ETag": f'"{facts["blobId"]}"'})
        place = f"http://127.0.0.1:{self.storage.server_port}/stored/{name}"
        return self.reply(request, 302, b"", {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(facts["size"]), "Location": place,
                                              "X-Linked-ETag": f'"{facts["lfs"]["sha256"]}"'})

    def answer_stored(self, request) -> None:
        name = self.note(request).removeprefix("/stored/")
        self.leaked = self.leaked or "Authorization" in request.headers
        self.reply(request, 200, self.files[name], {"ETag": '"stored"'}, large=True)

    def reply(self, request, status: int, body: bytes, headers: dict[str, str], large: bool = False) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        begin = 0
        if asked and status == 200:
            begin, end = int(asked[1]), int(asked[2] or len(body) - 1) + 1
            headers = headers | {"Content-Range": f"bytes {begin}-{end - 1}/{len(body)}"}
            status, body = 206, body[begin:end]
        request.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            request.send_header(name, value)
        request.end_headers()
        if request.command == "HEAD":
            return
        try:
            for at in range(0, len(body), 1 << 16):
                if large:
                    self.before_bytes(begin + at)
                request.wfile.write(body[at:at + (1 << 16)])
        except OSError:  # the client is gone
            request.close_connection = True
