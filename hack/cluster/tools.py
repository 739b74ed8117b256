"""The programs a cluster is made of and driven with: found on the PATH, or built as `tools/go.mod` pins them."""

import json
import os
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.keys import key_of_files
from hack.cluster.places import HARNESS
from hack.cluster.steps import HarnessError, Steps, ask

KUBERNETES = "v1.34.4"
GO_AT_LEAST = (1, 24)  # the first with `tool` directives in go.mod
BUILD_SECONDS = 3600
STAMP = "k8s.io/component-base/version"

CLIENTS = {
    "kind": "sigs.k8s.io/kind",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "helm": "helm.sh/helm/v3/cmd/helm",
}
NODE = {
    "coredns": "github.com/coredns/coredns",
    "server": "go.etcd.io/etcd/server/v3",  # etcd, by its package's name
    "kubeadm": "k8s.io/kubernetes/cmd/kubeadm",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
}
PACKAGES = CLIENTS | NODE

# The versions in which a program on the PATH serves us; Kubernetes promises kubectl one minor of skew either way.
SUITABLE = {"kind": ((0, 30), (0, 99)), "kubectl": ((1, 33), (1, 35)), "helm": ((3, 14), (3, 99))}
VERSION_OF = {
    "kind": ["version", "--quiet"],
    "kubectl": ["version", "--client", "--output=json"],
    "helm": ["version", "--template={{.Version}}"],
}


def version_in(text: str) -> tuple[int, int] | None:
    """Major and minor of the first version in a program's answer (`v1.34.4`, `0.30.0`, `go1.26.8`)."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def suits(name: str, answer: str) -> bool:
    """Whether a client that gives this answer about its version may stand in for the pinned one."""
    if name == "kubectl":
        try:
            answer = str(json.loads(answer)["clientVersion"]["gitVersion"])
        except (ValueError, KeyError, TypeError):
            return False
    version = version_in(answer)
    lowest, highest = SUITABLE[name]
    return version is not None and lowest <= version <= highest


def key() -> str:
    """The key of everything the built programs depend on."""
    return key_of_files([HARNESS / "tools" / "go.mod", HARNESS / "tools" / "go.sum"], KUBERNETES)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """One generation of built programs, with a manifest of their sizes that is written after them."""

    directory: Path

    @classmethod
    def of(cls, steps: Steps) -> "Toolbox":
        return cls(directory=steps.places.tools / key())

    def path(self, name: str) -> Path | None:
        """The program, if it if it is there whole: one cut off has another size than the manifest says."""
        program = self.directory / name
        try:
            whole = program.stat().st_size == self._manifest().get(name)
        except OSError:
            return None
        return program if whole else None

    def add(self, programs: Collection[Path]) -> None:
        """Move built programs in, then note their sizes."""
        self.directory.mkdir(parents=True, exist_ok=True)
        sizes = {program.name: program.stat().st_size for program in programs}
        for program in programs:
            program.replace(self.directory / program.name)
        manifest = self.directory / "manifest.json"
        half = manifest.with_suffix(".half")
        half.write_text(json.dumps(self._manifest() | sizes, indent=1, sort_keys=True))
        half.replace(manifest)

    def _manifest(self) -> dict[str, int]:
        try:
            sizes = json.loads((self.directory / "manifest.json").read_text())
        except (OSError, ValueError):
            return {}
        return {str(name): int(size) for name, size in sizes.items()} if isinstance(sizes, dict) else {}


def on_path(name: str) -> Path | None:
    """A suitable kind, kubectl or helm that this machine has; None otherwise."""
    program = shutil.which(name) if name in CLIENTS else None
    if program is None:
        return None
    answer = ask([program, *VERSION_OF[name]])
    return Path(program) if answer is not None and suits(name, answer) else None


def find(steps: Steps, name: str) -> Path | None:
    """A program that is there whole, built by us or on the PATH; None when it would have to be built."""
    return Toolbox.of(steps).path(name) or on_path(name)


def ensure(steps: Steps, *names: str) -> list[Path]:
    """The paths of these programs, in order; what is missing is built. Raises HarnessError without Go."""
    found = {name: find(steps, name) for name in names}
    built = ensure_built(steps, *(name for name, path in found.items() if path is None))
    return [found[name] or built[name] for name in names]


def ensure_built(steps: Steps, *names: str) -> dict[str, Path]:
    """These programs by name as we build them: static, of the pinned versions. Raises HarnessError without Go."""
    if any(Toolbox.of(steps).path(name) is None for name in names):
        with steps.lock("tools"):
            missing = [name for name in names if Toolbox.of(steps).path(name) is None]
            if missing:
                _build(steps, missing)
    return {name: Toolbox.of(steps).directory / name for name in names}


def go(steps: Steps) -> str:
    """The `go` command; raises HarnessError when there is none or it is too old."""
    program = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    version = version_in(ask([program, "env", "GOVERSION"], timeout=60) or "") if program else None
    if program is None or version is None or version < GO_AT_LEAST:
        have = f"this machine's is {version[0]}.{version[1]}" if version else "this machine has none"
        raise HarnessError(
            f"building the cluster's programs needs Go {GO_AT_LEAST[0]}.{GO_AT_LEAST[1]} or newer, and {have}: "
            "install it from https://go.dev/dl, or give the Docker engine a way to an image registry and put kind, "
            "kubectl and helm on the PATH"
        )
    return program


def build_env(target: Path) -> dict[str, str]:
    """The environment in which Go programs are built into `target`: static, deaf to the machine's flags."""
    return {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOBIN": str(target), "GOWORK": "off"}


def _build(steps: Steps, names: Collection[str]) -> None:
    """Build programs into a scratch directory and move them into the toolbox when all are whole."""
    program = go(steps)
    target = steps.places.scratch / "tools"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    major, minor = KUBERNETES[1:].split(".")[:2]
    # kubeadm refuses to work without a stamped version.
    stamp = f"-s -w -X {STAMP}.gitVersion={KUBERNETES} -X {STAMP}.gitMajor={major} -X {STAMP}.gitMinor={minor}"
    usually = f"{'11 min' if len(names) > 3 else '6 min'} on 2 cores, half a minute when Go has built them before"
    with steps.step(f"building {', '.join(names)} from Go modules", usually):
        words = [program, "install", "-trimpath", "-buildvcs=false", "-ldflags", stamp]
        words += [PACKAGES[name] for name in names]
        steps.run(words, timeout=BUILD_SECONDS, env=build_env(target), cwd=HARNESS / "tools")
    box = Toolbox.of(steps)
    box.add([target / name for name in names])
    for generation in steps.places.tools.iterdir():
        if generation != box.directory:
            shutil.rmtree(generation, ignore_errors=True)


def path_env(programs: Collection[Path]) -> dict[str, str]:
    """A PATH that finds these programs first."""
    directories = dict.fromkeys(str(program.parent) for program in programs)
    return {"PATH": os.pathsep.join([*directories, os.environ.get("PATH", "")])}
