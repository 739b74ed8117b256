"""What may be declared, and what a mistake says."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from bullpen import App, ConfigurationError, JobRecord, Webhook
from bullpen.protocol import QueueKeys
from bullpen.runtime.endings import Completed, Failed
from bullpen.runtime.notices import MOST_RESULT_BYTES, PAUSES, payload_of
from bullpen.webhook import beside

SECRET = f"whsec_{base64.b64encode(b'0' * 32).decode()}"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "give one, for example"),
        (7, "give one, for example"),
        ("example.com/hooks", "begins with https://"),
        ("ftp://example.com", "begins with https://"),
        ("https://", "begins with https://"),
        ("https://example.com:port/", "is none"),
        ("https://[::1/", "is none"),
        ("https://example.com/a b", "space or control character"),
        ("https://example.com/a\nb", "space or control character"),
        (f"https://example.com/{'x' * 2048}", "at most 2048"),
        ("https://user:hidden@example.com/", "holds a user name or password"),
    ],
)
def test_a_url_that_cannot_be_told(url: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        Webhook(url)
    assert "hidden" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("on", ["", "done", [], ["completed", "done"], 7, None])
def test_events_there_are_not(on: Any) -> None:
    with pytest.raises(ConfigurationError, match="give 'completed' or 'failed', or both"):
        Webhook("https://example.com", on)


def test_what_is_stored_is_read_back() -> None:
    for webhook in (
        Webhook("https://example.com"),
        Webhook("https://example.com", "failed"),  # type: ignore[arg-type]
        Webhook("https://example.com", ["failed", "completed"], secret="users"),
    ):
        assert Webhook.parse(json.loads(json.dumps(webhook.stored()))) == webhook
    assert Webhook("https://example.com").stored() == {"url": "https://example.com"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("secret-of-mine", "does not begin with whsec_"),
        ("whsec_secret-of-mine", "is no base64"),
        (f"whsec_{base64.b64encode(b'0' * 23).decode()}", "has 23 bytes"),
        (f"whsec_{base64.b64encode(b'0' * 65).decode()}", "has 65 bytes"),
        (None, "does not begin with whsec_"),
    ],
)
def test_a_secret_that_is_none_is_not_shown(value: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App()
    with pytest.raises(ConfigurationError, match=f"number 2: {said}") as raised:
        app.webhook_secret("users", SECRET, value)
    with pytest.raises(ConfigurationError, match="webhook secret"):
        app.queue("videos").webhook("https://example.com", secret=[SECRET, value])
    assert "secret-of-mine" not in str(raised.value)
    assert app.webhook_secrets == {}
    assert app.queue("videos").webhooks == ()
    if value is not None:
        monkeypatch.setenv("HOOKS", f"{value}")
        app.webhook_secret("users", env="HOOKS")
        with pytest.raises(ConfigurationError, match=f"HOOKS .*{said}"):
            app.webhook_secrets["users"].read({"HOOKS": value})


def test_a_secret_is_never_stored_with_a_job() -> None:
    with pytest.raises(ConfigurationError, match="a name is wanted here") as raised:
        Webhook("https://example.com", secret=SECRET)
    assert SECRET not in str(raised.value)


def test_secrets_do_not_show() -> None:
    app = App()
    app.webhook_secret("users", SECRET)
    assert SECRET not in repr(app.webhook_secrets)


def test_what_is_declared_twice() -> None:
    app = App()
    app.webhook_secret("users", SECRET)
    with pytest.raises(ConfigurationError, match="declared already"):
        app.webhook_secret("users", SECRET)
    app.queue("videos").webhook("https://example.com", secret="users")
    with pytest.raises(ConfigurationError, match="declared already"):
        app.queue("videos").webhook("https://example.com", secret="users")
    with pytest.raises(ConfigurationError, match="give values, or env="):
        app.webhook_secret("both", SECRET, env="HOOKS")


def test_a_job_asks_for_a_secret_there_is() -> None:
    queue = App().queue("videos")
    with pytest.raises(ConfigurationError, match=r"no secret 'default'; declare it with app.webhook_secret\('default'"):
        queue.options("render", webhook=Webhook("https://example.com"))
    with pytest.raises(ConfigurationError, match="give a Webhook"):
        queue.options("render", webhook="https://example.com")  # type: ignore[arg-type]


def job(**fields: str) -> JobRecord:
    return JobRecord(
        id="7", fields={b"name": b"render"} | {name.encode(): value.encode() for name, value in fields.items()}
    )


def test_the_event_of_a_completed_job() -> None:
    event = json.loads(payload_of("videos", job(atm="2"), Completed('{"a":[1,null]}'), now=NOW))
    assert event == {
        "type": "job.completed",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "data": {"queue": "videos", "jobId": "7", "name": "render", "attemptsMade": 3, "result": {"a": [1, None]}},
    }


def test_a_result_that_is_nested_too_deeply_is_left_out() -> None:
    data = json.loads(payload_of("videos", job(), Completed("[" * 5_000 + "]" * 5_000), now=NOW))["data"]
    assert ("result" in data, data["cut"]) == (False, ["result"])


@given(st.text(max_size=30_000) | st.text(alphabet="ü日🐂", min_size=4_000, max_size=9_000))
def test_no_event_is_large(text: str) -> None:
    value = json.dumps(text, ensure_ascii=False)
    for ending in (Completed(value), Failed(text, "[]")):
        payload = payload_of("videos", job(), ending, now=NOW)
        assert payload.isascii()
        assert len(payload) < 6 * MOST_RESULT_BYTES  # where each of its bytes is an escape
        data = json.loads(payload)["data"]
        if isinstance(ending, Completed):
            fits = len(value.encode(errors="surrogatepass")) <= MOST_RESULT_BYTES
            assert (data.get("result") == text, data.get("cut")) == (fits, None if fits else ["result"])
        else:
            assert text.startswith(data["failedReason"])


@given(
    st.text(st.sampled_from("ab{}-"), min_size=1, max_size=8),
    st.text(st.sampled_from("ab{}-:"), min_size=1, max_size=8),
)
def test_the_queue_beside_shares_every_hash_tag(name: str, prefix: str) -> None:
    base = QueueKeys(prefix, name).base
    tag = base[base.find("{") + 1 :].partition("}")
    if "{" in base and tag[1] and tag[0]:
        assert key_slot(base.encode()) == key_slot(QueueKeys(prefix, beside(name)).base.encode())


def test_attempts_are_spread_over_days() -> None:
    assert sorted(PAUSES) == list(PAUSES)
    assert sum(PAUSES) == 75 * 3600 + 35 * 60 + 5
