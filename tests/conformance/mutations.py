"""Faults planted into our Lua, each of which the comparison has to catch.

A mutation alters the text of every script in which it finds its place; scripts are values of a call, so the altered
one is simply another Script.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from bullpen.protocol.scripts import Script


@dataclass(frozen=True, slots=True)
class Mutation:
    """`find` becomes `replace` wherever it stands; `item` names the scenario that must notice."""

    fault: str
    item: str
    find: str
    replace: str = ""

    def alter(self, script: Script) -> Script:
        """Return the script with the fault, or as it is when the place is not in it."""
        text = script.text.replace(self.find, self.replace)
        return Script(script.name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


MUTATIONS: Final = (
    Mutation(
        "the active event is dropped",
        "test_item_30_fetch_moves_the_oldest_job_to_active",
        "call('XADD', P .. 'events', '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')",
    ),
    Mutation(
        "jobs join wait at its wrong end",
        "test_item_03_the_newest_job_is_at_the_left_of_wait",
        "front and 'RPUSH' or 'LPUSH'",
        "front and 'LPUSH' or 'RPUSH'",
    ),
    Mutation(
        "jobs leave wait at its wrong end",
        "test_item_30_fetch_moves_the_oldest_job_to_active",
        "call('RPOP', P .. 'wait'",
        "call('LPOP', P .. 'wait'",
    ),
    Mutation(
        "no marker when a job is ready",
        "test_item_01_add_to_an_empty_queue",
        "call('ZADD', P .. 'marker', 0, '0')",
    ),
    Mutation(
        "a marker although the queue is paused",
        "test_item_15_adds_to_a_paused_queue_wake_nobody",
        "if not blocked() then",
        "if true then",
    ),
    Mutation(
        "the delay of a promoted job is not reset",
        "test_item_33_due_jobs_are_promoted_before_the_fetch",
        "call('HSET', P .. id, 'delay', 0)",
    ),
    Mutation(
        "jobs are promoted a millisecond late",
        "test_item_33_due_jobs_are_promoted_before_the_fetch",
        "(now + 1) * 4096 - 1",
        "now * 4096 - 1",
    ),
    Mutation(
        "equal due times get equal scores",
        "test_item_07_equal_due_times_are_ordered_by_sequence",
        "tonumber(last[2]) + 1",
        "tonumber(last[2])",
    ),
    Mutation(
        "the marker does not follow the earliest delayed job",
        "test_item_09_the_marker_follows_the_earliest_due_job",
        "call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')",
        "call('ZRANGE', P .. 'delayed', -1, -1, 'WITHSCORES')",
    ),
    Mutation(
        "the lock outlives the finish",
        "test_item_44_a_completed_job_keeps_its_value",
        "call('DEL', lock)",
    ),
    Mutation(
        "the lock never expires",
        "test_item_30_fetch_moves_the_oldest_job_to_active",
        "token, 'PX', lock_ms)",
        "token)",
    ),
    Mutation(
        "a foreign lock is taken for a missing one",
        "test_item_46_only_the_owner_finishes_a_job",
        "return owner and -6 or -2",
        "return -2",
    ),
    Mutation(
        "drained although jobs are running",
        "test_item_53_drained_means_nothing_is_ready_or_running",
        "P .. 'wait', P .. 'active', P .. 'prioritized') == 0",
        "P .. 'wait', P .. 'prioritized') == 0",
    ),
    Mutation(
        "retries-exhausted one attempt late",
        "test_item_61_an_exponential_backoff_doubles",
        "made >= attempts",
        "made > attempts",
    ),
    Mutation(
        "one job too many is kept",
        "test_item_48_keep_jobs_by_count",
        "call('ZREMRANGEBYRANK', set, 0, -(count + 1))",
        "call('ZREMRANGEBYRANK', set, 0, -(count + 2))",
    ),
    Mutation(
        "a retry counts no attempt",
        "test_item_57_an_immediate_retry_goes_to_the_back",
        "call('HINCRBY', P .. id, 'atm', 1)",
    ),
    Mutation(
        "a lost job goes to the back of the queue",
        "test_item_66_a_lost_job_is_requeued",
        "call('RPUSH', target, id)",
        "call('LPUSH', target, id)",
    ),
    Mutation(
        "a renewal does not clear the stalled mark",
        "test_item_68_a_renewed_job_is_not_lost",
        "call('SREM', P .. 'stalled', ",
        "call('SISMEMBER', P .. 'stalled', ",
    ),
    Mutation(
        "the priority counter is never reset",
        "test_item_41_an_empty_queue_tells_when_to_come_back",
        "call('DEL', P .. 'pc')",
    ),
    Mutation(
        "the event of a duplicate add is called otherwise",
        "test_item_11_a_custom_id_is_added_once",
        "'event', 'duplicated'",
        "'event', 'duplicate'",
    ),
    Mutation(
        "metrics forget the minutes in which nothing finished",
        "test_item_55_metrics_count_by_the_minute",
        "call('LPUSH', data, 0)",
    ),
    Mutation(
        "the window of a limiter never ends",
        "test_item_38_a_limiter_counts_starts",
        "call('PEXPIRE', P .. 'limiter', math.floor(duration))",
    ),
    Mutation(
        "a throttle never ends",
        "test_item_21_a_ttl_is_a_throttle",
        "call('SET', P .. 'de:' .. de.id, id, 'PX', de.ttl)",
        "call('SET', P .. 'de:' .. de.id, id)",
    ),
    Mutation(
        "a replaced owner leaves its record behind",
        "test_item_23_a_delayed_owner_is_replaced",
        "  delete_job(owner)\n",
    ),
    Mutation(
        "a replacement begins the ttl anew",
        "test_item_23_a_delayed_owner_is_replaced",
        "if de.ttl and not de.extend and not de.keep_last then",
        "if false then",
    ),
    Mutation(
        "an owner in wait is taken for an active one",
        "test_item_26_the_last_one_added_is_kept_for_later",
        "call('LPOS', P .. 'active', owner)",
        "call('EXISTS', P .. owner) == 1",
    ),
    Mutation(
        "the next job keeps the due time it was added with",
        "test_item_27_the_next_job_goes_where_its_options_say",
        "place_new(id, now, delay",
        "place_new(id, 0, delay",
    ),
    Mutation(
        "the next job stays stored",
        "test_item_27_the_last_one_runs_when_the_owner_is_done",
        "  call('DEL', stored)\n",
    ),
    Mutation(
        "a finish frees an id that another job owns",
        "test_item_28_a_finish_frees_no_other_jobs_id",
        "(left == -1 and call('GET', key) == id)",
        "left == -1",
    ),
    Mutation(
        "a job's rate limit is forgotten",
        "test_item_64_a_job_that_gives_itself_back_has_made_no_attempt",
        "call('SET', P .. 'limiter', '9007199254740991', 'PX', ARGV[3])",
        "call('GET', P .. 'limiter')",
    ),
)
