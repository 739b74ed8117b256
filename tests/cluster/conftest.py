"""One namespace for all cluster tests, with its own operator, Redis and ledger; each test has a key prefix of its own.

The namespace is left in place, so that the next run starts at once; `make cluster-down` removes it with its cluster.
`BULLPEN_TEST_NAMESPACE` names another one, whose operator runs already (a checkout's, outside the cluster): then
nothing is installed but the CRD.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
import yaml

from hack.stage.kubectl import ROOT, Kubectl
from hack.stage.site import Site
from tests.cluster.pool import Pool

OWN_NAMESPACE = os.environ.get("BULLPEN_TEST_NAMESPACE")
NAMESPACE = OWN_NAMESPACE or "bullpen-test"
LAST = ("test_control_plane.py", "test_harness.py")
"""In this order: forwarded ports do not outlive the API server, and the last one ends with no cluster."""
SECRETS = ("bullpen-redis", "rotating-redis", "absent-redis", "bullpen-redis-flap")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LAST.index(item.path.name) if item.path.name in LAST else -1)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Site:
    """The namespace, set up by whichever test process comes first."""
    shared = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    made = Site(Kubectl.connect(NAMESPACE))
    with (shared / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = shared / "site.ready"
        if not done.exists():
            made.open()
            if OWN_NAMESPACE is None:
                made.install_operator(*(f"redis.secretNames[{i}]={name}" for i, name in enumerate(SECRETS)))
            else:
                made.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
            made.kubectl("delete", "workerpools", "--all", "--timeout=60s")
            made.redis.flush()
            done.touch()
    return made


@pytest.fixture
def kubectl(site: Site) -> Kubectl:
    return site.kubectl


@pytest.fixture(scope="session")
def redis_url(site: Site) -> Iterator[str]:
    with site.redis.reached() as url:
        yield url


class MakePool(Protocol):
    def __call__(self, **spec: Any) -> Pool: ...


@pytest.fixture
def make_pool(site: Site, request: pytest.FixtureRequest) -> Iterator[MakePool]:
    """Applies the example pool under a name and key prefix of the test's own, with the given fields changed."""
    manifest = yaml.safe_load((ROOT / "examples/workerpool.yaml").read_text())
    made: list[Pool] = []

    def make(**spec: Any) -> Pool:
        name = f"{_slug(request.node.name)}-{len(made)}"
        pool = Pool(site, name, queue=manifest["spec"]["queue"], prefix=name)
        made.append(pool)
        # So long that each job gets a slot of its own at first: then the number of pods follows from that of jobs.
        pool.apply({**manifest["spec"], "prefix": name, "expectedJobSeconds": 3600, **spec})
        return pool

    yield make
    for pool in made:
        pool.delete()


def _slug(test: str) -> str:
    """A name that is valid for objects and labels, and short enough for a pod's."""
    words = "".join(letter if letter.isalnum() else "-" for letter in test.lower().removeprefix("test_"))
    return words[:36].strip("-")
