"""The image kind's nodes run: the published one where it can be pulled, else one made here of Debian packages."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import debian, tools
from hack.cluster.engine import Engine
from hack.cluster.keys import key_of, key_of_files
from hack.cluster.places import HARNESS
from hack.cluster.steps import HarnessError, Steps, ask

# kind v0.30.0 names this image as its default, by digest; it need not be the patch release we build ourselves.
PUBLISHED = "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
REPOSITORY = "bullpen/node"

SUITE = "bookworm"  # the last Debian whose systemd takes a cgroup v1 host
NETWORK_PACKAGES = ("iproute2", "iptables", "nftables", "conntrack", "kmod")
NODE_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "containerd", "runc", "containernetworking-plugins", "ethtool", "socat"),
    *("procps", "hostname", "ca-certificates", "mount", "util-linux"),
    *NETWORK_PACKAGES,
)
NODE_FILES = (
    "Dockerfile",
    "entrypoint",
    "containerd.toml",
    "containerd.service",
    "kubelet.service",
    "default-cni.yaml",
)
FILES = (*NODE_FILES, "podnet.sh", "pause.go")
PODNET = "docker.io/bullpen/podnet:1"


@dataclass(frozen=True, slots=True)
class Part:
    """An image inside the node image: a reference, what it is built from, its files and its entry point."""

    reference: str
    base: str
    files: tuple[Path, ...]
    entrypoint: str = ""

    def dockerfile(self) -> str:
        lines = [f"FROM {self.base}", *(f"COPY {file.name} /usr/local/bin/" for file in self.files)]
        if self.entrypoint:
            lines.append(f"ENTRYPOINT {self.entrypoint}")
        return "\n".join([*lines, ""])


def key() -> str:
    """The key of our node image: its files, its packages and the programs in it."""
    return key_of_files([HARNESS / "node" / name for name in FILES], tools.key(), SUITE, *NODE_PACKAGES)


def own_reference() -> str:
    return f"{REPOSITORY}:{tools.KUBERNETES}-{key()}"


def ensure(steps: Steps, engine: Engine) -> str:
    """The reference of a node image that the engine has; pulled or built if need be."""
    have = _have(engine)
    if have is not None:
        return have
    with steps.lock("images"):
        have = _have(engine)
        if have is not None:
            return have
        steps.say("asking the image registry for the published node image …")
        if engine.pull(steps, PUBLISHED):
            return PUBLISHED
    if not debian.can_install() and shutil.which("mmdebstrap") is None:
        raise HarnessError(
            f"the node image {PUBLISHED} cannot be pulled, and making one needs root on Debian, and Go: "
            "give the Docker engine a way to an image registry"
        )
    tools.ensure_built(steps, *tools.PACKAGES)
    with steps.lock("images"):
        have = _have(engine)
        return have if have is not None else _build(steps, engine)


def _have(engine: Engine) -> str | None:
    return next((reference for reference in (PUBLISHED, own_reference()) if engine.image_id(reference)), None)


def base_reference(name: str, suite: str, packages: Sequence[str], *extra: str) -> str:
    """The reference of a minimal Debian with these packages, keyed by what it is made of."""
    return f"bullpen/{name}:{key_of(suite, *packages, *extra)}"


@contextmanager
def scratch(steps: Steps, name: str) -> Iterator[Path]:
    """An empty directory for one image's making; what an interrupted run left in it is thrown away."""
    directory = steps.places.scratch / "images" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def debian_base(
    steps: Steps,
    engine: Engine,
    reference: str,
    suite: str,
    packages: Sequence[str],
    *,
    hooks: Sequence[str] = (),
    changes: Sequence[str] = (),
) -> None:
    """Import a minimal Debian under a reference unless there is one; the tag comes last, so it is whole."""
    if engine.image_id(reference) is not None:
        return
    with steps.step(f"making {reference} from Debian {suite} packages", "40 s"), scratch(steps, "base") as work:
        debian.bootstrap(steps, suite, packages, work / "base.tar", hooks=hooks)
        words = [f"--change={change}" for change in changes]
        engine.run(steps, "import", *words, work / "base.tar", reference, timeout=300)


def parts(programs: dict[str, Path], pause: Path, etcd: Path, names: Sequence[str], network_base: str) -> list[Part]:
    """The images of a control plane by the names kubeadm gives them; raises HarnessError for one we cannot make."""
    made = []
    for reference in names:
        name = reference.rpartition("/")[2].split(":")[0]
        match name:
            case "kube-apiserver" | "kube-controller-manager" | "kube-scheduler":
                made.append(Part(reference, "scratch", (programs[name],)))
            case "kube-proxy":
                made.append(Part(reference, network_base, (programs[name],)))
            case "etcd":
                made.append(Part(reference, "scratch", (etcd,)))
            case "coredns":
                made.append(Part(reference, "scratch", (programs[name],), '["/usr/local/bin/coredns"]'))
            case "pause":
                made.append(Part(reference, "scratch", (pause,), '["/usr/local/bin/pause"]'))
            case _:
                raise HarnessError(
                    f"kubeadm asks for the image {reference}, which we do not know how to make; "
                    "add it to hack/cluster/node_image.py"
                )
    podnet = (programs["kubectl"], HARNESS / "node" / "podnet.sh")
    return [*made, Part(PODNET, network_base, podnet, '["/bin/sh", "/usr/local/bin/podnet.sh"]')]


def _build(steps: Steps, engine: Engine) -> str:
    """Build our node image; its tag comes last."""
    programs = tools.ensure_built(steps, *tools.PACKAGES)
    network_base = base_reference("net-base", SUITE, NETWORK_PACKAGES)
    node_base = base_reference("node-base", SUITE, NODE_PACKAGES)
    debian_base(steps, engine, network_base, SUITE, NETWORK_PACKAGES)
    debian_base(steps, engine, node_base, SUITE, NODE_PACKAGES)
    with steps.step("building the node image", "1 min"), scratch(steps, "node") as work:
        etcd = work / "etcd"
        shutil.copy(programs["server"], etcd)
        inner = parts(programs, _build_pause(steps, work), etcd, _listed(programs["kubeadm"]), network_base)
        for part in inner:
            _build_part(steps, engine, part, work / "part")
        _build_node(steps, engine, inner, programs, node_base, work / "node")
    _remove_others(engine)
    return own_reference()


def _build_pause(steps: Steps, work: Path) -> Path:
    source, program = work / "pause.go", work / "pause"
    shutil.copyfile(HARNESS / "node" / "pause.go", source)
    words: list[str | Path] = [tools.go(steps), "build", "-trimpath", "-ldflags", "-s -w", "-o", program, source]
    steps.run(words, timeout=300, env=tools.build_env(work) | {"GOFLAGS": "", "GO111MODULE": "off"}, cwd=work)
    return program


def _listed(kubeadm: Path) -> list[str]:
    """The images that kubeadm wants for a control plane."""
    words = (kubeadm, "config", "images", "list", "--kubernetes-version", tools.KUBERNETES)
    listed = ask(words, timeout=60)
    if not listed:
        raise HarnessError(f"kubeadm does not list the control plane's images; `{' '.join(map(str, words))}` says why")
    return listed.split()


def _build_part(steps: Steps, engine: Engine, part: Part, work: Path) -> None:
    work.mkdir()
    for file in part.files:
        shutil.copy(file, work / file.name)
    (work / "Dockerfile").write_text(part.dockerfile())
    engine.run(steps, "build", "--quiet", "--tag", part.reference, work, timeout=300)
    shutil.rmtree(work)


def _build_node(
    steps: Steps, engine: Engine, inner: Sequence[Part], programs: dict[str, Path], base: str, work: Path
) -> None:
    work.mkdir()
    pause = next(part.reference for part in inner if "/pause:" in part.reference)
    for name in NODE_FILES:
        (work / name).write_text((HARNESS / "node" / name).read_text().replace("@PAUSE@", pause))
    for name in ("kubelet", "kubeadm", "kubectl"):
        shutil.copy(programs[name], work / name)
    images = work / "images.tar"
    engine.run(steps, "save", "--output", images, *(part.reference for part in inner), timeout=300)
    images.chmod(0o644)
    arguments = ["--build-arg", f"BASE={base}", "--build-arg", f"VERSION={tools.KUBERNETES}"]
    engine.run(steps, "build", "--quiet", *arguments, "--tag", own_reference(), work, timeout=600)
    # The parts are in the node image now; as images of the engine they would only take space.
    engine.ask("image", "rm", *(part.reference for part in inner), timeout=60)


def _remove_others(engine: Engine) -> None:
    """Remove node images of other definitions, as far as no container uses them."""
    listed = engine.ask("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY) or ""
    for reference in listed.split():
        if reference != own_reference():
            engine.ask("image", "rm", reference, timeout=60)
