"""Adding jobs, looking at them, and changing them."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tests.integration.cli.conftest import Command
from tests.integration.worker.house import serving

APP = ("--app", "house_app:app")


def test_a_job_is_added_and_its_id_printed(bullpen: Command) -> None:
    assert bullpen("add", "videos", "render", '{"user": 7}', "--priority", "3", "--delay", "1h").ok().out == "1\n"
    [job] = bullpen("inspect", "videos", "1", "--json").ok().json
    assert (job["name"], job["data"], job["state"], job["priority"]) == ("render", {"user": 7}, "delayed", 3)
    assert job["opts"]["attempts"] == 4
    assert job["dueOn"] - job["timestamp"] == 3_600_000


def test_options_of_a_job_reach_it(bullpen: Command) -> None:
    added = bullpen("add", "q", "x", "--attempts", "7", "--backoff", "fixed:30s", "--job-id", "mine", "--json").ok()
    assert added.json == [{"queue": "q", "jobId": "mine"}]
    [job] = bullpen("inspect", "q", "mine", "--json").ok().json
    assert job["opts"] == {"attempts": 7, "backoff": {"type": "fixed", "delay": 30_000}, "jobId": "mine"}
    assert job["data"] == {}


def test_many_are_added_at_once_and_to_the_front(bullpen: Command) -> None:
    assert len(bullpen("add", "q", "x", "--count", "600").ok().lines) == 600
    assert bullpen("add", "q", "first", "--lifo").ok().out == "601\n"
    listed = bullpen("inspect", "q", "--state", "waiting", "--limit", "2", "--json").ok().json
    assert [job["id"] for job in listed] == ["601", "1"]
    assert [job["id"] for job in bullpen("inspect", "q", "--state", "waiting", "--start", "599", "--json").json] == [
        "599",
        "600",
    ]


def test_data_comes_from_a_file(bullpen: Command, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('{"name": "Zoë"}', encoding="utf-8")
    bullpen("add", "q", "x", "--data-file", str(tmp_path / "data.json")).ok()
    assert bullpen("inspect", "q", "1", "--json").ok().json[0]["data"] == {"name": "Zoë"}


def test_an_app_checks_the_job_before_it_is_added(bullpen: Command) -> None:
    refused = bullpen("add", "video-generation", "quick", '{"n": "x"}', *APP)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("bullpen: job 'quick': data does not fit dict: n: Input should be a valid integer")
    assert "has no job 'nope' (it has add, async-sleep" in bullpen("add", "video-generation", "nope", *APP).err
    assert "no queue 'videoz' (it has emails, video-generation)" in bullpen("add", "videoz", "x", *APP).err
    bullpen("add", "video-generation", "quick", '{"n": 1}', *APP).ok()
    assert bullpen("inspect", "video-generation", "1", BULLPEN_APP="house_app:app").code == 0


async def test_the_end_of_a_job_is_waited_for(redis_url: str, tmp_path: Path, bullpen_process: Command) -> None:
    with serving("house_app:app", redis_url, tmp_path / "log") as worker:
        await worker.says("Worker ready")
        done = bullpen_process("add", "video-generation", "quick", '{"n": 21}', "--wait")
        assert (done.code, done.out, done.err) == (0, '{"doubled":42}\n', "")
        failed = bullpen_process("add", "video-generation", "quick", '{"n": "x"}', "--wait", "--json")
        assert failed.code == 1
        assert failed.json[0]["state"] == "failed"
        assert "valid integer" in failed.json[0]["failedReason"]
        late = bullpen_process("add", "video-generation", "async-sleep", "30", "--wait", "--timeout", "100ms")
        assert (late.code, late.err) == (
            1,
            "bullpen: job 3 of queue video-generation did not end within 0.1 s; it goes on all the same\n",
        )


def fail(raw: redis.Redis, *ids: str) -> None:
    """As a worker would have left them."""
    for place, job_id in enumerate(ids):
        raw.lrem("bull:q:wait", 0, job_id)
        raw.zadd("bull:q:failed", {job_id: 1000 + place})
        raw.hset(f"bull:q:{job_id}", mapping={"failedReason": "it broke", "finishedOn": 1000 + place, "atm": 4})


def test_failed_jobs_are_listed_newest_first_and_run_again(bullpen: Command, raw: redis.Redis) -> None:
    bullpen("add", "q", "x", "--count", "4").ok()
    fail(raw, "1", "2", "3")
    assert [job["id"] for job in bullpen("inspect", "q", "--state", "failed", "--json").ok().json] == ["3", "2", "1"]
    table = bullpen("inspect", "q", "--state", "failed", "--reverse").ok().lines
    assert table[0].split() == ["ID", "NAME", "TRIES", "ADDED", "STARTED", "ENDED", "REASON"]
    assert [line.split()[0] for line in table[1:]] == ["1", "2", "3"]
    some = bullpen("retry", "q", "1", "99", "--json")
    assert (some.code, some.json) == (1, [{"queue": "q", "jobId": "1", "done": "retried"}])
    assert some.err == "bullpen: job 99 does not exist: it was removed, or its id is wrong\n"
    assert bullpen("retry", "q", "--failed").ok().out == "2 jobs of q made ready again\n"
    assert bullpen("retry", "q", "--all", "--json").ok().json == [{"queue": "q", "retried": 0}]
    assert bullpen("inspect", "q", "--json").ok().json[0]["waiting"] == 4


def test_delayed_jobs_are_promoted(bullpen: Command) -> None:
    bullpen("add", "q", "x", "--delay", "1h", "--count", "3").ok()
    assert bullpen("promote", "q", "1").ok().out == "promoted 1\n"
    assert "not delayed" in bullpen("promote", "q", "1").err
    assert bullpen("promote", "q", "--all").ok().out == "2 jobs of q made ready\n"


def test_jobs_are_removed(bullpen: Command, raw: redis.Redis) -> None:
    bullpen("add", "q", "x", "--count", "3").ok()
    assert bullpen("remove", "q", "1", "3").ok().out == "removed 1\nremoved 3\n"
    assert bullpen("remove", "q", "1").code == 1
    assert raw.lrange("bull:q:wait", 0, -1) == ["2"]


@pytest.mark.parametrize("shape", [(), ("--json",)], ids=["for people", "json"])
def test_text_of_jobs_cannot_steer_a_terminal(bullpen: Command, raw: redis.Redis, shape: tuple[str, ...]) -> None:
    bullpen("add", "q", "[red]x[/red]\x1b]0;owned\x07").ok()
    fail(raw, "1")
    raw.hset("bull:q:1", "data", '"\\ud800 \\u001b[31m"')
    raw.hset("bull:q:1", "failedReason", "\x1b[2Jgone\nand more")
    for asked in (
        ("inspect", "q", "1"),
        ("inspect", "q", "--state", "failed"),
        ("tail", "q", "--from", "0-0", "--count", "1"),
    ):
        said = bullpen(*asked, *shape).ok()
        assert "\x1b" not in said.out
        assert "\x07" not in said.out
        assert "[red]x[/red]" in said.out


def test_a_job_in_full(bullpen: Command, raw: redis.Redis) -> None:
    bullpen("add", "q", "x").ok()
    fail(raw, "1")
    raw.hset("bull:q:1", mapping={"stacktrace": '["first", "second\\n  line 2"]', "progress": "40", "bp:cause": "oom"})
    raw.rpush("bull:q:1:logs", "row 1", "row 2")
    lines = bullpen("inspect", "q", "1").ok().lines
    assert "cause     oom" in lines
    assert "progress  40" in lines
    assert lines[-7:] == ["stack trace (the last of 2):", "second", "  line 2", "", "log:", "row 1", "row 2"]
    [job] = bullpen("inspect", "q", "1", "--json").ok().json
    assert (job["logs"], job["logCount"], job["cause"]) == (["row 1", "row 2"], 2, "oom")


def test_fields_that_are_damaged_are_shown_as_they_are(bullpen: Command, raw: redis.Redis) -> None:
    bullpen("add", "q", "x").ok()
    raw.hset("bull:q:1", mapping={"data": "{no json", "opts": "neither"})
    assert bullpen("inspect", "q", "1", "--json").ok().json[0]["data"] == "{no json"
    assert "{no json" in bullpen("inspect", "q", "1").ok().out
