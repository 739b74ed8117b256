"""A namespace with all that a pool needs: the operator, a Redis with a password, and the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template

from hack.stage import ledger
from hack.stage.kubectl import ROOT, Kubectl
from hack.stage.redis import StagedRedis

LEDGER = Path(__file__).parent / "manifests/ledger.yaml"
CHART = ROOT / "charts/bullpen"
APP_IMAGE = "bullpen/quickstart:dev"
OPERATOR = "deployment/bullpen-operator"
OF_OPERATORS = "--selector=app.kubernetes.io/name=bullpen-operator"
"""Its pods, and whatever else is the operator's."""
OPERATOR_IMAGE = ("image.repository=bullpen/operator", "image.tag=dev")

NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels:
    pod-security.kubernetes.io/enforce: restricted
    app.kubernetes.io/part-of: bullpen-stage
"""


@dataclass(frozen=True, slots=True)
class Site:
    """One namespace of a cluster, set up to run pools in."""

    kubectl: Kubectl

    @property
    def redis(self) -> StagedRedis:
        return StagedRedis(self.kubectl)

    def open(self) -> None:
        """Make the namespace and what the pools lean on; safe to repeat."""
        self.kubectl.apply(NAMESPACE.format(name=self.kubectl.namespace))
        self.kubectl.apply(Template(LEDGER.read_text()).substitute(app_image=APP_IMAGE))
        self.redis.open()
        self.kubectl("rollout", "status", "deployment/ledger", "--timeout=120s", timeout=130)

    def install_operator(self, *settings: str) -> None:
        """The chart, with the CRDs of this checkout first: Helm installs CRDs but never updates them."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
        runs_already = self.kubectl.run("get", OPERATOR).returncode == 0
        self.kubectl.install("bullpen", CHART, *OPERATOR_IMAGE, "scope=namespace", *settings)
        if runs_already:  # the tag is always the same, so only a restart takes up a new image
            self.kubectl("rollout", "restart", OPERATOR)
            self.kubectl("rollout", "status", OPERATOR, "--timeout=120s", timeout=130)

    def ledger(self, queue: str, *, since: float = 0.0) -> ledger.Account:
        """What the ledger wrote down of the jobs of a queue (`<prefix>:<queue>`) from `since` (epoch seconds) on."""
        entries = ledger.parse(self.kubectl("logs", "deployment/ledger", "--tail=-1").splitlines())
        return ledger.account(entry for entry in entries if entry.queue == queue and entry.at >= since)
