"""What can go wrong around a pool: the condition and the Event say so, the pods stay, and it ends by itself."""

from __future__ import annotations

import json

import pytest

from hack.stage.kubectl import Kubectl
from hack.stage.redis import StagedRedis
from hack.stage.site import Site
from tests.cluster.conftest import MakePool

pytestmark = pytest.mark.cluster

STEADY = {"minReplicas": 1, "maxReplicas": 2, "idleSeconds": 5}


def url_from(secret: str) -> dict[str, object]:
    return {"urlFrom": {"secretKeyRef": {"name": secret, "key": "url"}}}


def write_secret(kubectl: Kubectl, name: str, url: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"url": url}}
    kubectl.apply(json.dumps(secret))


def test_a_wrong_password_is_said_and_the_right_one_ends_it(
    make_pool: MakePool, site: Site, kubectl: Kubectl, redis_url: str
) -> None:
    good = site.redis.url
    write_secret(kubectl, "rotating-redis", good)
    pool = make_pool(redis=url_from("rotating-redis"), scaling=STEADY)
    pool.await_condition("QueueReachable", "True")
    pods = {pod["metadata"]["uid"] for pod in pool.await_pods(ready=1)}

    write_secret(kubectl, "rotating-redis", "redis://:not-the-password@redis:6379/0")
    condition = pool.await_condition("QueueReachable", "False", "AuthenticationFailed")
    message = pool.await_event("QueueUnreachable")

    assert "not-the-password" not in condition["message"] + message
    assert pool.replicas == 1
    assert pool.condition("ScalingActive")["status"] == "False"
    assert pool.condition("Ready")["status"] == "True"

    write_secret(kubectl, "rotating-redis", good)
    pool.await_condition("QueueReachable", "True")
    pool.await_event("QueueRecovered")
    assert {pod["metadata"]["uid"] for pod in pool.pods()} == pods
    jobs = pool.produce(redis_url, 3, seconds=0.1)
    pool.await_ended(jobs)


def test_a_missing_secret_is_said_and_making_it_ends_it(make_pool: MakePool, site: Site, kubectl: Kubectl) -> None:
    kubectl("delete", "secret", "absent-redis", "--ignore-not-found")
    pool = make_pool(redis=url_from("absent-redis"))

    condition = pool.await_condition("QueueReachable", "False", "SecretMissing")
    assert "absent-redis" in condition["message"]
    pool.await_event("SecretMissing")
    assert pool.replicas == 0

    write_secret(kubectl, "absent-redis", site.redis.url)
    pool.await_condition("QueueReachable", "True")


def test_a_secret_that_the_operator_may_not_read_is_said(make_pool: MakePool) -> None:
    pool = make_pool(redis=url_from("somebody-elses"))

    condition = pool.await_condition("QueueReachable", "False", "SecretForbidden")
    assert "somebody-elses" in condition["message"]
    assert "redis.secretNames" in condition["message"]


def test_a_redis_that_is_away_is_said_and_its_return_ends_it(make_pool: MakePool, kubectl: Kubectl) -> None:
    redis = StagedRedis(kubectl, "redis-away")
    redis.open()
    pool = make_pool(redis={"url": redis.url}, concurrency=2, scaling={"maxReplicas": 2, "idleSeconds": 5})
    pool.await_condition("QueueReachable", "True")
    with redis.reached() as url:
        jobs = pool.produce(url, 40, seconds=1)
    pods = {pod["metadata"]["uid"] for pod in pool.await_pods(ready=2)}

    redis.go_away()
    pool.await_condition("QueueReachable", "False", "Unreachable")
    pool.await_event("QueueUnreachable")
    assert pool.replicas == 2

    redis.come_back()
    pool.await_condition("QueueReachable", "True")
    pool.await_ended(jobs)
    assert {pod["metadata"]["uid"] for pod in pool.pods()} <= pods
    pool.await_gone()
