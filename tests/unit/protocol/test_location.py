from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen.errors import ConfigurationError
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.url import masked

SECRET = "s3cr3t-w0rd"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("redis://localhost", "redis://localhost:6379/0", id="defaults"),
        pytest.param("redis://:pw@redis.example:6380/3", "redis://redis.example:6380/3", id="password and database"),
        pytest.param("rediss://user:pw@redis.example", "rediss://redis.example:6379/0", id="TLS"),
        pytest.param("redis://[::1]:7000/1", "redis://[::1]:7000/1", id="IPv6"),
        pytest.param("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2", id="socket"),
        pytest.param("  redis://localhost/\n", "redis://localhost:6379/0", id="a Secret's trailing newline"),
        pytest.param("REDIS://localhost", "redis://localhost:6379/0", id="upper case"),
        pytest.param("redis://localhost?cluster=false", "redis://localhost:6379/0", id="no cluster"),
        pytest.param("redis://h1?cluster=true", "redis://h1:6379/0?cluster=true", id="cluster of one seed"),
        pytest.param(
            "rediss://u:pw@h1:7000,[::1]:7001,h3/0?cluster=TRUE&ssl_cert_reqs=none",
            "rediss://h1:7000,[::1]:7001,h3:6379/0?cluster=true",
            id="cluster with TLS",
        ),
        pytest.param(
            "redis+sentinel://u:pw@h1:26379,h2:26380,h3/mymaster/2?sentinel_username=s&sentinel_password=spw",
            "redis+sentinel://h1:26379,h2:26380,h3:26379/mymaster/2",
            id="sentinels",
        ),
        pytest.param(
            "rediss+sentinel://[::1]/my-master", "rediss+sentinel://[::1]:26379/my-master/0", id="a sentinel with TLS"
        ),
    ],
)
def test_good_urls(url: str, shown: str) -> None:
    assert str(RedisLocation.parse(url)) == shown


def test_a_login_is_unquoted_and_handed_to_the_connection() -> None:
    location = RedisLocation.parse("rediss://us%40er:p%23w%2F%3F@host:1/2?ssl_cert_reqs=none")
    assert location.arguments == {
        "host": "host",
        "port": 1,
        "db": 2,
        "username": "us@er",
        "password": "p#w/?",
        "ssl_cert_reqs": "none",
    }


def test_a_socket_has_a_path_instead_of_a_host() -> None:
    location = RedisLocation.parse("unix://:pw@/run/redis%20a.sock?db=4")
    assert location.arguments == {"path": "/run/redis a.sock", "db": 4, "username": None, "password": "pw"}


def test_the_master_and_the_sentinels_have_a_login_each() -> None:
    location = RedisLocation.parse(
        "rediss+sentinel://us:p%40w,@h1,h2:5/main/3?sentinel_username=su&sentinel_password=s%26w&ssl_cert_reqs=none"
    )
    assert (location.sentinels, location.master) == ((("h1", 26379), ("h2", 5)), "main")
    assert location.at(("m", 1)).arguments == {
        "host": "m",
        "port": 1,
        "db": 3,
        "username": "us",
        "password": "p@w,",
        "ssl_cert_reqs": "none",
    }
    assert location.sentinel_at(("h2", 5)).arguments == {
        "host": "h2",
        "port": 5,
        "db": 0,
        "username": "su",
        "password": "s&w",
        "ssl_cert_reqs": "none",
    }
    assert str(location.at(("m", 1))) == "rediss://m:1/3"


def test_a_node_of_a_cluster_has_its_login() -> None:
    node = RedisLocation.parse("redis://u:pw@h1,h2:7000?cluster=true").at(("h9", 7001))
    assert (node.host, node.port, node.username, node.password, node.cluster) == ("h9", 7001, "u", "pw", True)
    assert str(node) == "redis://h9:7001/0"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("", "Redis URL is empty", id="empty"),
        pytest.param("  \n", "Redis URL is empty", id="blank"),
        pytest.param(
            "localhost:6379", "Redis URL 'localhost:6379' has no scheme: start it with redis://", id="no scheme"
        ),
        pytest.param("redis:/localhost", "has no scheme", id="one slash"),
        pytest.param(SECRET, "Redis URL (not shown) has no scheme", id="only a password"),
        pytest.param("redi://localhost", "Redis URL has the scheme 'redi://': use redis://, rediss://", id="typo"),
        pytest.param("http://localhost", "has the scheme 'http://'", id="another protocol"),
        pytest.param("redis://", "Redis URL 'redis://' has no host", id="nothing after the scheme"),
        pytest.param("redis://:6379/0", "Redis URL 'redis://:6379/0' has no host", id="no host"),
        pytest.param(f"redis://:{SECRET}@/0", "Redis URL 'redis://***@/0' has no host", id="a login but no host"),
        pytest.param("redis://local host", "contains white space", id="a blank inside"),
        pytest.param("redis://host:63x79", "Redis URL 'redis://host:63x79' has a bad port", id="letters in the port"),
        pytest.param(f"redis://:{SECRET}", "Redis URL 'redis://:***' has no host", id="a password but no host"),
        pytest.param("redis://[::1]:x", "'redis://[::1]:***' has a bad port", id="letters for the port of IPv6"),
        pytest.param("redis://host:70000", "has a bad port: use a number from 1 to 65535", id="port too high"),
        pytest.param("redis://host:0", "has port 0", id="port zero"),
        pytest.param("redis://host/first", "names the database 'first': use its number", id="database by name"),
        pytest.param("redis://host/-1", "names the database '-1'", id="negative database"),
        pytest.param("redis://[::1", "cannot be read: check the brackets", id="half a bracket"),
        pytest.param(f"redis://{SECRET}@host", "'redis://***@host' has a user name but no password", id="no colon"),
        pytest.param(f"redis://:{SECRET}#x@host", "unescaped character in its password", id="# in the password"),
        pytest.param(f"redis://:{SECRET}/x@host", "unescaped character in its password", id="/ in the password"),
        pytest.param(f"redis://:{SECRET}?x@host", "unescaped character in its password", id="? in the password"),
        pytest.param(
            "redis://host?ssl_cert_reqs=none", "TLS options: use them with rediss:// only", id="TLS without TLS"
        ),
        pytest.param("rediss://host?ssl_typo=1", "unknown option 'ssl_typo': use ssl_ca_certs", id="unknown option"),
        pytest.param("redis://host?socket_timeout=1", "unknown option 'socket_timeout'", id="an option of redis-py"),
        pytest.param("unix://", "unix:// names no socket", id="no socket"),
        pytest.param("redis://redis..example", "'redis://redis..example' has a bad host name", id="two dots"),
        pytest.param(f"redis://:{SECRET}@{'h' * 64}", "has a bad host name", id="a host name too long"),
        pytest.param(
            f"redis://:{SECRET}@h1,h2", "'redis://***@h1,h2' names several hosts: add ?cluster=true", id="several hosts"
        ),
        pytest.param("redis://h1,,h2?cluster=true", "'redis://h1,,h2' has an empty host in its list", id="empty host"),
        pytest.param("redis://h1,h2:x?cluster=true", "'redis://h1,h2:***' has a bad port", id="bad port of a second"),
        pytest.param("redis://h1,h2:0?cluster=true", "has port 0", id="port zero of a second"),
        pytest.param(
            "redis://h1/3?cluster=true", "names the database 3: a cluster has database 0 only", id="cluster db"
        ),
        pytest.param("redis://h1?cluster=yes", "has cluster=yes: write cluster=true", id="cluster=yes"),
        pytest.param("unix:///run/redis.sock?cluster=true", "unknown option 'cluster'", id="a socket is no cluster"),
        pytest.param("redis://h1?sentinel_password=x", "unknown option 'sentinel_password'", id="no sentinels"),
        pytest.param("redis+sentinel://h1,h2", "'redis+sentinel://h1,h2' names no master: write", id="no master"),
        pytest.param("redis+sentinel://h1/0/x", "names the database 'x'", id="sentinel database by name"),
        pytest.param("redis+sentinel://h1/main/0?cluster=true", "unknown option 'cluster'", id="sentinel and cluster"),
        pytest.param("redis+sentinel:///main", "has no host", id="no sentinel"),
        pytest.param(
            "redis+sentinel://h1/main?sentinel_username=u",
            "sentinel_username but no sentinel_password",
            id="half login",
        ),
        pytest.param(
            f"redis+sentinel://h1/main?sentinel_pasword=x@{SECRET}",
            "unknown option 'sentinel_pasword'",
            id="option typo",
        ),
        pytest.param(f"redis+sentinel://h1/main?{SECRET}=1", "unknown option (not shown)", id="an option that is none"),
        pytest.param(
            f"redis+sentinel://:{SECRET}@h1:26379,h2:99999/main", "has a bad port", id="port of a sentinel too high"
        ),
        pytest.param("redis+sentinel://h1/main?ssl_cert_reqs=none", "TLS options", id="TLS without rediss+sentinel"),
        pytest.param("redis-sentinel://h1/main", "has the scheme 'redis-sentinel://'", id="sentinel scheme typo"),
        pytest.param("redis://host/4294967296", "names the database '4294967296'", id="database too high"),
    ],
)
def test_bad_urls_are_one_clear_sentence_without_secrets(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        RedisLocation.parse(url)
    assert message in str(refused.value)
    assert SECRET not in f"{refused.value} {refused.value.__cause__}"
    assert "\n" not in str(refused.value)


SCHEMES = ["redis://", "rediss://", "redi://", "unix://", "redis+sentinel://", "rediss+sentinel://", ""]
passwords = st.text(alphabet="abcXYZ0189@:/?#%[]=&", min_size=1).map(lambda text: f"q{text}q{text}q")


@given(password=passwords, scheme=st.sampled_from(SCHEMES))
def test_no_password_however_badly_written_is_ever_shown(password: str, scheme: str) -> None:
    for url in (f"{scheme}:{password}@host:6379/0", f"{scheme}:{password}@host:6379,host2/main/0?cluster=true"):
        assert password not in masked(url)
        assert password not in shown(url)


@given(password=passwords)
def test_no_password_of_the_sentinels_is_ever_shown(password: str) -> None:
    for option in ("sentinel_password", "sentinel_pasword", "sentinel_username"):
        url = f"redis+sentinel://h1,h2:26379/main/0?{option}={password}"
        assert password not in masked(url)
        assert password not in shown(url)


def shown(url: str) -> str:
    """Everything a log could get to see of the URL."""
    try:
        location = RedisLocation.parse(url)
    except ConfigurationError as refused:
        return f"{refused} {refused.__cause__}"
    return f"{location} {location!r}"
