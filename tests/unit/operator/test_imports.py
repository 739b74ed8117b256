"""What a start of the operator imports: time and memory that every replica pays."""

from __future__ import annotations

import subprocess
import sys

NEVER = {"requests", "requests_oauthlib", "urllib3", "kubernetes.client", "kubernetes.config", "kubernetes.aio.dynamic"}
AFTER_THE_FIRST_LISTS = {"kopf", "bullpen_operator.cluster.watch"}


def imported(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    return set(done.stdout.split())


def test_a_start_imports_no_client_that_it_does_not_use_and_no_kopf_yet() -> None:
    modules = imported("import bullpen_operator.main")

    assert "kubernetes.aio.client.api_client" in modules
    assert modules & (NEVER | AFTER_THE_FIRST_LISTS) == set()


def test_the_whole_client_is_there_for_who_asks_for_it() -> None:
    """For a test or a benchmark, before the operator's modules or after."""
    for statement in (
        "import kubernetes\nimport bullpen_operator.cluster.access\nkubernetes.client.V1Pod()",
        "import bullpen_operator.cluster.access\nfrom kubernetes import client\nclient.V1Pod()",
    ):
        assert "kubernetes.client" in imported(statement)
