"""Files that are rendered from the chart: the golden files of its tests, and what `kustomize/` starts from.

`make goldens` writes them after a wanted change of the chart; the tests compare.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from hack.stage.kubectl import ROOT, CommandFailed, harness

CHART = ROOT / "charts/bullpen"
TESTS = ROOT / "tests/unit/chart"
CLUSTER_TESTS = ROOT / "tests/cluster"
KUSTOMIZE = ROOT / "kustomize"
KUBERNETES = "1.34.0"
VALUES = {path.stem: path for path in sorted((TESTS / "values").glob("*.yaml"))}
"""The sets of values that have golden files."""

Object = dict[str, Any]


def render(helm: str, *words: str, values: Path, namespace: str = "ops", release: str = "bullpen") -> str:
    """What Helm would install. The Kubernetes version is given, because there is no cluster to ask."""
    command = [helm, "template", release, str(CHART), f"--namespace={namespace}", f"--kube-version={KUBERNETES}"]
    command += [f"--values={values}", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise CommandFailed(command, done)
    return done.stdout


def objects(text: str) -> list[Object]:
    """The objects of a manifest."""
    return [item for item in yaml.safe_load_all(text) if item is not None]


def grants(made: list[Object]) -> str:
    """Every right that roles give, one a line: role, resource, names, verbs."""
    return "".join(sorted(line for item in made for line in _lines_of(item)))


def _lines_of(role: Object) -> Iterator[str]:
    metadata = role["metadata"]
    place = "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)
    for rule in role.get("rules", []):
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                names = f" named {', '.join(rule['resourceNames'])}" if "resourceNames" in rule else ""
                yield f"{role['kind']} {place}: {_full(resource, group)}{names}: {', '.join(sorted(rule['verbs']))}\n"


def _full(resource: str, group: str) -> str:
    """As kubectl writes it: workerpools.bullpen.dev/status."""
    name, _, below = resource.partition("/")
    return name + (f".{group}" if group else "") + (f"/{below}" if below else "")


def can_i(made: list[Object], namespace: str) -> str:
    """What `kubectl auth can-i --list` says of the account that the roles are bound to, in a namespace."""
    lines = [
        f"{_full(resource, group)} [] [{' '.join(rule.get('resourceNames', []))}] [{' '.join(rule['verbs'])}]\n"
        for role in made
        if role["kind"] in ("Role", "ClusterRole") and role["metadata"].get("namespace") in (None, namespace)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    ]
    return "".join(sorted(lines))


def goldens(helm: str) -> dict[Path, str]:
    """The golden files and what is to be in them."""
    files = {}
    for name, values in VALUES.items():
        text = render(helm, values=values)
        files[TESTS / f"golden/{name}.yaml"] = text
        files[TESTS / f"golden/{name}.rights.txt"] = grants(objects(text))
        if name in ("cluster", "namespace"):
            files[CLUSTER_TESTS / f"golden/can-i.{name}.txt"] = can_i(objects(text), "ops")
            files[CLUSTER_TESTS / f"golden/can-i.{name}.beside.txt"] = can_i(objects(text), "beside")
    return files


def kustomize(helm: str) -> dict[Path, str]:
    """The operator as kustomize takes it: of no release, in a namespace that an overlay may change."""
    return {
        KUSTOMIZE / f"{place}/operator.yaml": _plain(objects(render(helm, values=VALUES[scope], namespace="bullpen")))
        for place, scope in (("base", "cluster"), ("namespaced", "namespace"))
    }


def _plain(made: list[Object]) -> str:
    for item in made:
        for labels in (item["metadata"]["labels"], _template(item).get("metadata", {}).get("labels", {})):
            labels.pop("app.kubernetes.io/managed-by", None)
            labels.pop("helm.sh/chart", None)
        for container in _template(item).get("spec", {}).get("containers", []):
            container["env"] = [_by_field(variable) for variable in container["env"]]
    head = "# Rendered from charts/bullpen by `make goldens`; do not edit.\n"
    text: str = yaml.safe_dump_all(made, sort_keys=False, width=120, allow_unicode=True)
    return head + text


def _by_field(variable: Object) -> Object:
    """The namespace that is watched is the one an overlay puts the pod into."""
    if variable["name"] != "WATCH_NAMESPACE" or not variable["value"]:
        return variable
    return {"name": variable["name"], "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}


def _template(item: Object) -> Object:
    found: Object = item["spec"]["template"] if item["kind"] == "Deployment" else {}
    return found


def main() -> None:
    helm = harness("tool", "helm")
    for path, text in (goldens(helm) | kustomize(helm)).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
