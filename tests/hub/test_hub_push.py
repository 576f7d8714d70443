"""`export --push-to-hub` against a stand-in of the hub that takes what is uploaded."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from stand_in import Handler, Hub

from prunescope.engine.cli.main import main
from prunescope.engine.errors import ResourceError, SettingError
from prunescope.engine.export.hub import hub_target
from prunescope.engine.paths import PROJECT

TOKEN = "hf_made_up"
PUSH = """
import json, sys
from pathlib import Path
from prunescope.engine.cli.main import main
from prunescope.engine.errors import InputError
from prunescope.engine.export.hub import HubTarget, hub_target, push_folder

code = main(sys.argv[2:])
refused = []
for name in ("other/model", "full/model"):
    try:
        push_folder(Path(sys.argv[1]), hub_target(name, False))
    except InputError as error:
        refused.append(f"{type(error).__name__}: {error}")
print(json.dumps([code, refused]))
"""


class TakingHandler(Handler):
    """The hub's endpoints for what is uploaded; files are in `hub.repositories`."""

    def do_PUT(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def answer(self, body: bytes = b"") -> None:
        path = self.path.partition("?")[0]
        self.hub.asked.append(f"{self.command} {path}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}" and "/storage/" not in path:
            self.failed(401, "", "Invalid user token.")
        elif path == "/api/whoami-v2":
            self.json({"name": "me", "orgs": [{"name": "full"}], "type": "user"})
        elif path == "/api/repos/create":
            told = json.loads(body)
            name = f"{told.get('organization') or 'me'}/{told['name']}"
            if name.startswith("full/"):
                self.failed(403, "", "The storage of this account is full.")
                return
            self.hub.add("models", name, {})
            private = "private" in (told.get("visibility"), told.get("private") and "private")
            self.hub.asked.append(f"private {private}")
            self.json({"url": f"{self.hub.address}/{name}", "name": name, "id": name})
        elif path == "/api/validate-yaml":
            assert json.loads(body)["content"].startswith("---\n")
            self.json({"errors": [], "warnings": []})
        elif path.endswith("/preupload/main"):
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in json.loads(body)["files"]
            ]
            self.json({"files": files})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {
                    **item,
                    "actions": {"upload": {"href": f"{self.hub.address}/storage/{item['oid']}"}},
                }
                for item in json.loads(body)["objects"]
            ]
            self.json({"transfer": "basic", "objects": objects})
        elif path.startswith("/storage/"):
            self.hub.repositories["storage", path.rpartition("/")[2]] = {"": body}
            self.send(200, b"", {})
        elif "/commit/" in path:
            self.commit("/".join(path.split("/")[3:5]), body)
        else:
            super().answer(body)

    def commit(self, name: str, body: bytes) -> None:
        files = self.hub.repositories["models", name]
        for line in map(json.loads, body.splitlines()):
            value: dict[str, Any] = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.repositories["storage", value["oid"]][""]
        self.json({"commitUrl": f"{self.hub.address}/{name}/commit/1", "commitOid": "1" * 40})


@pytest.fixture(scope="module")
def taking_hub() -> Iterator[Hub]:
    hub, server = Hub(), ThreadingHTTPServer(("127.0.0.1", 0), TakingHandler)
    server.hub = hub  # type: ignore[attr-defined]
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_export_is_uploaded_whole(
    taking_hub: Hub,
    environment: Callable[..., dict[str, str]],
    model_folder: Path,
    data_folder: Path,
    tmp_path: Path,
) -> None:
    """With a card; what the hub refuses is one sentence, and the folder stays."""
    out = tmp_path / "half"
    line = (
        f"export --model {model_folder} --data {data_folder} --method magnitude --sparsity 0.5 "
        f"--calibration 40 --held-out 10 --device cpu --quiet --out {out} "
        "--push-to-hub me/half --private"
    )
    done = subprocess.run(
        [sys.executable, "-c", PUSH, out, *line.split()],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={
            **environment(),
            "HF_ENDPOINT": taking_hub.address,
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
        },
    )
    *said, answer = done.stdout.splitlines()
    code, refused = json.loads(answer)
    assert (code, done.stderr) == (0, ""), done.stderr
    assert said[-1] == f"{taking_hub.address}/me/half"
    uploaded = taking_hub.repositories["models", "me/half"]
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {name: hashlib.sha256(uploaded[name]).digest() for name in written} == {
        name: hashlib.sha256(content).digest() for name, content in written.items()
    }
    assert "README.md" in written and "private True" in taking_hub.asked
    assert refused[0].startswith("SettingError: ") and "me/model" in refused[0]
    assert refused[1].startswith(f"ResourceError: The model is in {out}, and could not")
    assert refused[1].count("\n") == 0 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("no/such/name", "give USER/NAME"),
        ("me/a name", "give USER/NAME"),
        ("-/x..y", "give USER/NAME"),
        ("half", "USER/half"),
    ],
)
def test_a_name_that_is_none_is_refused_before_anything_is_asked(name: str, refusal: str) -> None:
    with pytest.raises(SettingError, match=refusal):
        hub_target(name, False)


def test_without_a_token_nothing_is_pruned(
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ResourceError, match="hf auth login"):
        hub_target("me/half", False)
    words = [
        "export",
        "--model",
        str(model_folder),
        "--sparsity",
        "0.5",
        "--out",
        str(tmp_path / "x"),
    ]
    assert main([*words, "--push-to-hub", "me/half"]) == 2
    assert main([*words, "--private"]) == 2
    assert "--push-to-hub" in capsys.readouterr().err and not (tmp_path / "x").exists()
