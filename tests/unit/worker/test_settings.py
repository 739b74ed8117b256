from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bullpen import ConfigurationError
from bullpen.runtime.recycling import Limits
from bullpen.runtime.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_everything_has_a_default() -> None:
    settings = read_settings({})
    assert str(settings.redis()) == "redis://127.0.0.1:6379/0"
    assert (settings.prefix, settings.queue, settings.concurrency) == ("bull", None, 10)
    assert (settings.metrics_port, settings.log_format, settings.drain_seconds) == (None, "text", 30.0)
    assert settings.pod_name


def test_what_the_operator_sets_is_read() -> None:
    environ = {
        "MODE": "worker",
        "REDIS_URL": "redis://:secret@redis:6380/2",
        "QUEUE_NAME": "videos",
        "QUEUE_PREFIX": "{b}",
        "QUEUE_CONCURRENCY": "20",
        "BULLPEN_APP": "app:app",
        "POD_NAME": "videos-1",
        "POD_UID": "u-1",
        "DRAIN_SECONDS": "300",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "warning",
        "METRICS_PORT": "9464",
        "CHILD_MEMORY": "512MiB",
        "CHILD_MAX_JOBS": "50",
        "STUCK_JOBS": "2",
        "MAX_JOBS": "1000",
        "MAX_MEMORY": "1.5Gi",
        "MAX_AGE": "12h",
    }
    settings = read_settings(environ)
    assert (settings.child_memory, settings.child_jobs, settings.stuck_jobs) == (2**29, 50, 2)
    assert (settings.redis().host, settings.redis().password) == ("redis", "secret")
    assert (settings.queue, settings.prefix, settings.concurrency, settings.app) == ("videos", "{b}", 20, "app:app")
    assert (settings.pod_name, settings.pod_uid, settings.drain_seconds) == ("videos-1", "u-1", 300.0)
    assert (settings.log_format, settings.log_level, settings.metrics_port) == ("json", "warning", 9464)
    assert settings.recycling == Limits(jobs=1000, memory=3 * 2**29, age=43_200.0)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MODE", "web", "MODE=web: must be worker"),
        ("QUEUE_CONCURRENCY", "0", "QUEUE_CONCURRENCY=0: must be a whole number from 1 to 10000"),
        ("QUEUE_CONCURRENCY", "many", "QUEUE_CONCURRENCY=many: must be a whole number"),
        ("QUEUE_CONCURRENCY", "1.5", "QUEUE_CONCURRENCY=1.5: must be a whole number"),
        ("METRICS_PORT", "99999", "METRICS_PORT=99999: must be a whole number from 1 to 65535"),
        ("DRAIN_SECONDS", "-1", "DRAIN_SECONDS=-1: "),
        ("CHILD_MEMORY", "much", "CHILD_MEMORY=much: 'much' is no amount of memory"),
        ("CHILD_MAX_JOBS", "0", "CHILD_MAX_JOBS=0: must be a whole number from 1"),
        ("STUCK_JOBS", "-1", "STUCK_JOBS=-1: must be a whole number from 0"),
        ("MAX_JOBS", "0", "MAX_JOBS=0: must be a whole number from 1 to "),
        ("MAX_MEMORY", "lots", "MAX_MEMORY=lots: 'lots' is no amount of memory"),
        ("MAX_MEMORY", "512", "MAX_MEMORY=512: must be 32Mi at least"),
        ("MAX_MEMORY", "5Mb", "MAX_MEMORY=5Mb: must be 32Mi at least"),
        ("MAX_AGE", "10ms", "MAX_AGE=10ms: must be a second at least"),
        ("MAX_AGE", "old", "MAX_AGE=old: "),
        ("LOG_FORMAT", "xml", "LOG_FORMAT=xml: must be text or json"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL=loud: must be debug or info or warning or error"),
        ("REDIS_URL", "redis:/oops", "REDIS_URL: Redis URL "),
        ("REDIS_URL", "http://redis", "REDIS_URL: Redis URL has the scheme 'http://'"),
        ("REDIS_URL_FILE", "/nowhere/url", "REDIS_URL_FILE=/nowhere/url: cannot be read (No such file or directory)"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_settings({name: value})
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


def test_certificates_and_cluster_may_be_told_beside_the_url(tmp_path: Path) -> None:
    names = ("REDIS_TLS_CA_FILE", "REDIS_TLS_CERT_FILE", "REDIS_TLS_KEY_FILE")
    files = {name: tmp_path / name for name in names}
    for file in files.values():
        file.touch()
    told = {name: str(file) for name, file in files.items()}
    found = read_settings({"REDIS_URL": "rediss://redis?ssl_ca_certs=/old&ssl_cert_reqs=none", **told}).redis()
    assert dict(found.tls) == {
        "ssl_ca_certs": told["REDIS_TLS_CA_FILE"],
        "ssl_cert_reqs": "none",
        "ssl_certfile": told["REDIS_TLS_CERT_FILE"],
        "ssl_keyfile": told["REDIS_TLS_KEY_FILE"],
    }
    url = tmp_path / "url"
    url.write_text("rediss://redis-0.redis,redis-1.redis?cluster=true")
    assert read_settings({"REDIS_URL_FILE": str(url), "REDIS_CLUSTER": "true", **told}).redis().cluster
    assert str(read_settings({"REDIS_URL": "redis://redis", "REDIS_CLUSTER": "true"}).redis()) == (
        "redis://redis:6379/0?cluster=true"
    )


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"REDIS_CLUSTER": "yes"}, "REDIS_CLUSTER=yes: must be true or false"),
        (
            {"REDIS_CLUSTER": "true", "REDIS_URL": "redis://redis/3"},
            "REDIS_CLUSTER=true: Redis URL redis://redis:6379/3",
        ),
        (
            {"REDIS_CLUSTER": "true", "REDIS_URL": "redis+sentinel://s/m"},
            "REDIS_CLUSTER=true: Redis URL redis+sentinel",
        ),
        ({"REDIS_TLS_CA_FILE": "/nowhere/ca"}, "REDIS_TLS_CA_FILE=/nowhere/ca: there is no such file"),
        ({"REDIS_TLS_CA_FILE": __file__}, "REDIS_TLS_CA_FILE: Redis URL redis://127.0.0.1:6379/0 is without TLS"),
    ],
)
def test_what_contradicts_the_url_is_one_line(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_settings(environ)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_settings({"MODE": "web", "QUEUE_CONCURRENCY": "x", "REDIS_URL": "redis://:pass@word@host:notaport"})
    lines = str(raised.value).splitlines()
    assert len(lines) == 3
    assert "pass" not in str(raised.value)


def test_a_url_file_is_read_anew_at_each_connect(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("redis://:old@redis:6379\n")
    source = read_settings({"REDIS_URL_FILE": str(file), "REDIS_URL": "redis://unused"}).redis
    assert source().password == "old"
    file.write_text("redis://:new@redis:6379\n")
    assert source().password == "new"
    file.write_text("redis//oops")
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL_FILE="):
        source()
