"""The peers of the benchmarks: who they are, and the environment that each has to itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.keys import key_of
from hack.cluster.places import CHECKOUT, Places

PEERS = Path(__file__).resolve().parent / "peers"
NODE_MODULES = CHECKOUT / "tests" / "conformance" / "node" / "node_modules"
PYTHON_PEERS = {
    "bullmq-py": ("bullmq==3.4.4",),
    "dramatiq": ("dramatiq[redis]==2.2.1",),
    "taskiq": ("taskiq-redis==1.2.4",),
    "saq": ("saq[redis,hiredis]==0.26.4", "typing-extensions==4.15.0"),  # it forgets to ask for the second
}
PROGRAMS = {
    "bullpen": "bullpen_app.py",
    "bullmq-py": "bullmq_py.py",
    "node": "node.mjs",
    "dramatiq": "dramatiq_peer.py",
    "taskiq": "taskiq_peer.py",
    "saq": "saq_peer.py",
}
INSTALL_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Peer:
    """A worker library; `python` runs its program, except for Node's."""

    name: str
    python: Path

    @property
    def bullmq(self) -> bool:
        """Whether it reads the queues of BullMQ, so that all of these are filled alike."""
        return self.name in ("bullpen", "bullmq-py", "node")

    def command(self, *, slots: int) -> list[str]:
        """The worker's command line."""
        if self.name == "bullpen":
            serve = [str(self.python), "-m", "bullpen.cli", "serve", "bullpen_app:app", "--log-level", "warning"]
            return [*serve, "--concurrency", str(slots)]
        return ["node" if self.name == "node" else str(self.python), str(PEERS / PROGRAMS[self.name])]


def find(name: str) -> Peer | None:
    """The peer, installed if need be; None when it cannot be had, and why on standard error."""
    if name in ("bullpen", "node"):
        if name == "node" and (shutil.which("node") is None or not (NODE_MODULES / "bullmq5").is_dir()):
            print(f"no Node peer: it needs node, and `npm ci` in {NODE_MODULES.parent}", file=sys.stderr)
            return None
        return Peer(name, Path(sys.executable))
    if name not in PYTHON_PEERS:
        raise SystemExit(f"--peers {name}: unknown; there are {', '.join(PROGRAMS)}")
    packages = PYTHON_PEERS[name]
    home = Places.of(os.environ).root / "peers" / f"{name}-{key_of(sys.version, *packages)}"
    if not (home / "whole").exists():
        print(f"installing {', '.join(packages)} …", file=sys.stderr, flush=True)
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        if subprocess.run([*pip, *packages], timeout=INSTALL_SECONDS, check=False).returncode != 0:
            print(f"no {name} peer: {', '.join(packages)} cannot be installed", file=sys.stderr)
            return None
        (home / "whole").touch()
    return Peer(name, home / "bin" / "python")
