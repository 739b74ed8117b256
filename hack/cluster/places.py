"""Where the harness keeps things: all of it below one cache directory, none of it in the checkout."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HARNESS = Path(__file__).resolve().parent
CHECKOUT = HARNESS.parent.parent


@dataclass(frozen=True, slots=True)
class Places:
    """The paths below `${XDG_CACHE_HOME:-~/.cache}/bullpen`."""

    root: Path

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Places":
        """The places for this environment; a relative XDG_CACHE_HOME is ignored, as its specification asks."""
        xdg = env.get("XDG_CACHE_HOME", "")
        cache = Path(xdg) if xdg.startswith("/") else Path(env.get("HOME") or os.path.expanduser("~")) / ".cache"
        return cls(root=cache / "bullpen")

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def record(self) -> Path:
        """What the last complete `up` made; written last, so its absence means half-made."""
        return self.root / "cluster.json"

    @property
    def audit_policy(self) -> Path:
        """The file that the control plane's node mounts."""
        return self.root / "audit-policy.yaml"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def tools(self) -> Path:
        return self.root / "tools"

    @property
    def docker(self) -> Path:
        return self.root / "docker"

    @property
    def scratch(self) -> Path:
        """For half-made things; whoever holds the lock of a noun may empty its part."""
        return self.root / "scratch"

    def lock(self, noun: str) -> Path:
        return self.root / "locks" / noun
