"""What pods' own status says of why they do not run; the shapes are those of a real kubelet and scheduler."""

from __future__ import annotations

from typing import Any

import pytest

from bullpen_operator.api.reasons import Reason
from bullpen_operator.cluster.trouble import trouble_of

LOOP = {"exitCode": 1, "reason": "Error"}


def pod(*containers: dict[str, Any], going: bool = False, **status: Any) -> dict[str, Any]:
    metadata = {"name": "video-1"} | ({"deletionTimestamp": "2027-01-15T08:00:00Z"} if going else {})
    return {"metadata": metadata, "status": {"containerStatuses": list(containers), **status}}


def container(waiting: str | None = None, **fields: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": waiting, "message": "why"}} if waiting else {"running": {}}
    return {"name": "worker", "image": "app:1", "ready": waiting is None, "restartCount": 0, "state": state, **fields}


def unschedulable() -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: cpu"}
    return pod(conditions=[condition])


@pytest.mark.parametrize(
    ("seen", "reason", "words"),
    [
        (pod(container("CrashLoopBackOff", lastState={"terminated": LOOP})), Reason.CRASH_LOOP, "exit code 1 (Error)"),
        (
            pod(container(ready=False, restartCount=4, lastState={"terminated": LOOP})),
            Reason.CRASH_LOOP,
            "ends soon after its start",
        ),
        (pod(container("ImagePullBackOff")), Reason.IMAGE_PULL, "the image app:1 of the container worker"),
        (pod(container("ErrImagePull")), Reason.IMAGE_PULL, "cannot be pulled"),
        (pod(container("InvalidImageName")), Reason.IMAGE_PULL, "cannot be pulled"),
        (pod(container("CreateContainerConfigError")), Reason.CONTAINER_CONFIG, "cannot be made: why"),
        (pod(initContainerStatuses=[container("CrashLoopBackOff")]), Reason.CRASH_LOOP, "worker ends soon"),
        (unschedulable(), Reason.UNSCHEDULABLE, "0/1 nodes: cpu"),
    ],
)
def test_names_the_trouble(seen: dict[str, Any], reason: Reason, words: str) -> None:
    trouble = trouble_of([seen, pod(container())])

    assert trouble is not None
    assert trouble.reason is reason
    assert trouble.message.startswith("1 of 2 pods: ")
    assert words in trouble.message


@pytest.mark.parametrize(
    "seen",
    [
        pod(container()),
        pod(container("ContainerCreating")),
        pod(container("PodInitializing")),
        pod(container(ready=False, restartCount=1, lastState={"terminated": LOOP})),
        pod(container(ready=True, restartCount=9, lastState={"terminated": LOOP})),
        pod(container("CrashLoopBackOff"), going=True),
        {"metadata": {"name": "new"}},
    ],
    ids=["ready", "being made", "initialising", "failed once", "ready again", "ending", "no status yet"],
)
def test_what_is_on_its_way_is_no_trouble(seen: dict[str, Any]) -> None:
    assert trouble_of([seen]) is None


def test_the_gravest_trouble_is_told_with_how_many_have_it() -> None:
    trouble = trouble_of([unschedulable(), pod(container("ErrImagePull")), pod(container("ImagePullBackOff"))])

    assert trouble is not None
    assert trouble.message.startswith("2 of 3 pods: the image")
