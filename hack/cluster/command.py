"""The command line: what `python3 hack/cluster COMMAND` understands, and what each command does."""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from hack.cluster import app_images, compose, engine, kind, kwok, record, tools
from hack.cluster.dockerd import Dockerd
from hack.cluster.health import Condition
from hack.cluster.places import Places
from hack.cluster.status import report
from hack.cluster.steps import HarnessError, Steps

MOST_NODES = 9


def number_of_nodes(text: str) -> int:
    """A number of nodes; raises what argparse turns into a usage error."""
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= MOST_NODES:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of nodes between 1 and {MOST_NODES}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    names = ", ".join(app_images.TAGS)
    top = argparse.ArgumentParser(
        prog="python3 hack/cluster",
        description="A real Kubernetes for the demo and the tests: a kind cluster named bullpen.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up_ = commands.add_parser("up", help="make a healthy cluster exist; repairs a crashed, half-made or stale one")
    up_.add_argument(
        "--nodes", type=number_of_nodes, default=1, metavar="N", help="nodes, the control plane included (default: 1)"
    )
    commands.add_parser("down", help="remove the cluster and all that is ours but the cache")
    commands.add_parser("status", help="tell what exists; exit code 0 when the cluster is healthy, else 1")
    build_ = commands.add_parser("build", help="build images: the project's, or any Dockerfile with -t")
    build_.add_argument(
        "what", nargs="*", metavar="IMAGE", help=f"{names} (default: all); with -t: the build context (default: .)"
    )
    build_.add_argument("-t", "--tag", help="build the Dockerfile of a context directory under this tag")
    build_.add_argument("-f", "--file", type=Path, help="the Dockerfile (default: Dockerfile in the context)")
    build_.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    load_ = commands.add_parser("load", help="put built images into the nodes that do not have them")
    load_.add_argument("images", nargs="*", metavar="IMAGE", help=f"tags or names: {names} (default: all of these)")
    commands.add_parser("kubeconfig", help="print the path of the cluster's kubeconfig")
    tool_ = commands.add_parser(
        "tool", help="print the path of kubectl, helm, kind or kwok; builds it when it is missing"
    )
    tool_.add_argument("name", choices=sorted([*tools.CLIENTS, kwok.PROGRAM.name]))
    address_ = commands.add_parser(
        "address", help="print HOST:PORT under which this machine reaches a NodePort service"
    )
    address_.add_argument("service")
    address_.add_argument("-n", "--namespace", default="default")
    commands.add_parser("compose", help="run Docker Compose on the engine of the harness: compose -f FILE up -d …")
    commands.add_parser("env", help='print what a shell needs to look around: eval "$(python3 hack/cluster env)"')
    return top


def up(steps: Steps, arguments: argparse.Namespace) -> int:
    with steps.lock("cluster"):
        found = kind.Cluster(steps, engine.ensure(steps)).up(arguments.nodes)
    already = "already " if found.condition is Condition.HEALTHY else ""
    steps.say(f"the cluster is {already}up; its kubeconfig is {steps.places.kubeconfig}")
    return 0


def down(steps: Steps, arguments: argparse.Namespace) -> int:
    with steps.lock("cluster"), steps.lock("engine"):
        own = Dockerd.of(steps.places)
        found = engine.find(steps.places)
        if found is None and own.left_anything():
            own.start(steps)  # only a daemon can strike the containers of a killed one off its books
            found = engine.find(steps.places)
        if found is not None and (found.own is not None or kind.containers(found)):
            with steps.step("removing the cluster", "5 s"):
                kind.Cluster(steps, found).remove()
                if found.own is not None:
                    found.own.stop(steps)
        record.forget(steps.places)
    steps.say(f"no cluster is left; the cache stays in {steps.places.root}")
    return 0


def status(steps: Steps, arguments: argparse.Namespace) -> int:
    lines, healthy = report(steps)
    print("\n".join(lines))
    return 0 if healthy else 1


def build(steps: Steps, arguments: argparse.Namespace) -> int:
    words = arguments.what
    if arguments.tag is None:
        if arguments.file is not None or arguments.build_arg:
            raise HarnessError("-f and --build-arg go with -t TAG; the project's own images are built without them")
        unknown = [word for word in words if word not in app_images.TAGS]
        if unknown:
            names = ", ".join(app_images.TAGS)
            raise HarnessError(f"there is no image called {unknown[0]!r}: give one of {names}, or -t TAG and a context")
        tags = app_images.build_named(steps, engine.ensure(steps), words or list(app_images.TAGS))
    else:
        if len(words) > 1:
            raise HarnessError(f"-t builds one context, and {len(words)} were given: {' '.join(words)}")
        context = Path(words[0] if words else ".").resolve()
        file = (arguments.file or context / "Dockerfile").resolve()
        recipe = app_images.Recipe(dockerfile=file, tag=arguments.tag, context=context)
        app_images.build(steps, engine.ensure(steps), recipe, arguments.build_arg)
        tags = [arguments.tag]
    print("\n".join(tags))
    return 0


def running(steps: Steps) -> kind.Cluster:
    """The cluster in the engine that answers; raises HarnessError when none does."""
    found = engine.find(steps.places)
    if found is None:
        raise HarnessError("there is no cluster: no Docker engine answers; make one with: python3 hack/cluster up")
    return kind.Cluster(steps, found)


def load(steps: Steps, arguments: argparse.Namespace) -> int:
    images = [app_images.TAGS.get(image, image) for image in arguments.images or app_images.TAGS]
    with steps.lock("cluster"):
        loaded = running(steps).load(images)
    if not loaded:
        steps.say("the nodes have these images already")
    return 0


def kubeconfig(steps: Steps, arguments: argparse.Namespace) -> int:
    print(record.kubeconfig_of(steps.places))
    return 0


def tool(steps: Steps, arguments: argparse.Namespace) -> int:
    own = arguments.name == kwok.PROGRAM.name
    print(kwok.PROGRAM.ensure(steps) if own else tools.ensure(steps, arguments.name)[0])
    return 0


def address(steps: Steps, arguments: argparse.Namespace) -> int:
    print(running(steps).address(arguments.namespace, arguments.service))
    return 0


def compose_(steps: Steps, arguments: argparse.Namespace) -> int:
    return compose.run(steps, engine.ensure(steps), arguments.passed_on)


def env(steps: Steps, arguments: argparse.Namespace) -> int:
    values = {"KUBECONFIG": str(record.kubeconfig_of(steps.places))}
    programs = [tools.find(steps, name) for name in tools.CLIENTS]
    values |= tools.path_env([program for program in programs if program is not None])
    found = engine.find(steps.places)
    if found is not None and found.own is not None:
        values["DOCKER_HOST"] = found.host
    print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items()))
    return 0


COMMANDS: dict[str, Callable[[Steps, argparse.Namespace], int]] = {
    "up": up,
    "down": down,
    "status": status,
    "build": build,
    "load": load,
    "kubeconfig": kubeconfig,
    "tool": tool,
    "address": address,
    "compose": compose_,
    "env": env,
}


def _terminated(number: int, frame: FrameType | None) -> None:
    """End by exception, so that what we started ends with us."""
    raise SystemExit(128 + number)


def main(words: Sequence[str]) -> int:
    """Run one command; 0 done, 1 cannot be done (a sentence on standard error), 2 usage, 128 + N ended by signal N."""
    # What follows `compose` is Compose's own command line, `--help` included.
    own = 1 if words[:1] == ["compose"] else len(words)
    arguments = parser().parse_args(words[:own])
    arguments.passed_on = words[own:]
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGHUP, _terminated)
    try:
        steps = Steps.begin(Places.of(os.environ), arguments.command)
        return COMMANDS[arguments.command](steps, arguments)
    except HarnessError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read us has seen enough; point the interpreter's last flush somewhere harmless.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        print("cluster: interrupted; the next `up` repairs what is half-made", file=sys.stderr)
        return 128 + signal.SIGINT
