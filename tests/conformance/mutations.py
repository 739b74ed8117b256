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
        "call('ZADD', queue.base .. 'marker', 0, '0')",
    ),
    Mutation(
        "a marker although the queue is paused",
        "test_item_15_adds_to_a_paused_queue_wake_nobody",
        "if not blocked(queue) then",
        "if true then",
    ),
    Mutation(
        "the delay of a promoted job is not reset",
        "test_item_33_due_jobs_are_promoted_before_the_fetch",
        "redis.pcall('HSET', P .. id, 'delay', 0)",
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
        "call('ZRANGE', base .. 'delayed', 0, 0, 'WITHSCORES')",
        "call('ZRANGE', base .. 'delayed', -1, -1, 'WITHSCORES')",
    ),
    Mutation(
        "the lock outlives the finish",
        "test_item_44_a_completed_job_keeps_its_value",
        "call('DEL', unpack(unlocked))",
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
        "tonumber(made) >= tonumber(ARGV[at + 5])",
        "tonumber(made) > tonumber(ARGV[at + 5])",
    ),
    Mutation(
        "the last field of a finish is lost",
        "test_item_51_a_final_failure_says_why",
        "at + 7, at + 6 + tonumber(ARGV[at + 6])",
        "at + 7, at + 4 + tonumber(ARGV[at + 6])",
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
        "(tonumber(call('HGET', P .. id, 'atm')) or 0) + 1",
        "tonumber(call('HGET', P .. id, 'atm')) or 0",
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
        "a child of a flow is forgotten by its parent",
        "test_item_71_a_parent_waits_for_its_children",
        "call('SADD', parent .. ':dependencies', base .. id)",
    ),
    Mutation(
        "a parent is released to the back of its queue",
        "test_item_73_the_last_child_releases_its_parent",
        "place_ready(id, priority or 0, true, queue_at(base))",
        "place_ready(id, priority or 0, false, queue_at(base))",
    ),
    Mutation(
        "a parent is released into the queue of its child",
        "test_item_73_the_last_child_releases_its_parent",
        "place_ready(id, priority or 0, true, queue_at(base))",
        "place_ready(id, priority or 0, true, here)",
    ),
    Mutation(
        "a child's failure flag is read as another",
        "test_item_75_a_parent_goes_on_at_the_first_failure",
        "(flags and flags.cpof) or call('EXISTS', pending) == 0",
        "call('EXISTS', pending) == 0",
    ),
    Mutation(
        "a delayed parent is not told of its child's failure",
        "test_item_74_a_parent_may_be_elsewhere",
        "if call('ZREM', base .. 'delayed', id) == 1 then",
        "if false then",
    ),
    Mutation(
        "a parent whose children have all completed before waits for ever",
        "test_item_71_a_completed_child_starts_nothing_early",
        "release_idle(ARGV[at] .. ARGV[at + 1])",
    ),
    Mutation(
        "a child that is pruned leaves its parent waiting",
        "test_item_77_a_failed_child_that_is_removed",
        "  leave_family(id, false)\n  delete_job(id)",
        "  delete_job(id)",
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
        "(left == -1 and sound_owner(dedup) and call('GET', key) == id)",
        "left == -1",
    ),
    Mutation(
        "a job's rate limit is forgotten",
        "test_item_64_a_job_that_gives_itself_back_has_made_no_attempt",
        "call('SET', P .. 'limiter', '9007199254740991', 'PX', ARGV[3])",
        "call('GET', P .. 'limiter')",
    ),
    Mutation(
        "a pause leaves the jobs in wait",
        "test_item_88_a_pause_keeps_the_order",
        "call('RENAME', longer, into)",
    ),
    Mutation(
        "a job promoted by hand keeps its delay",
        "test_item_89_a_delayed_job_is_promoted",
        "place_ready(id, priority_of(id), false)\ncall('HSET', P .. id, 'delay', 0)",
        "place_ready(id, priority_of(id), false)",
    ),
    Mutation(
        "a change of priority puts the job before its equals",
        "test_item_89_a_priority_is_changed",
        "if front and priority > 0 then",
        "if priority > 0 then",
    ),
    Mutation(
        "a job retried by hand still has its end",
        "test_item_90_a_failed_job_is_retried",
        "'finishedOn', 'processedOn', state",
        "'processedOn', state",
    ),
    Mutation(
        "a parent does not wait for a child that is retried",
        "test_item_90_a_retried_child_is_pending_again",
        "call('SADD', parent .. ':dependencies', child)",
    ),
    Mutation(
        "a job is removed from under its worker",
        "test_item_92_a_job_with_a_worker_stays",
        "if locked(id, children) then",
        "if false then",
    ),
    Mutation(
        "a clean takes jobs that a worker holds",
        "test_item_92_active_jobs_without_a_worker_are_cleaned",
        "state == 'active' and call(",
        "state == 'nothing' and call(",
    ),
    Mutation(
        "a clean takes young jobs",
        "test_item_92_young_jobs_are_not_cleaned",
        "<= latest",
        "<= latest + 5000",
    ),
    Mutation(
        "a drain takes the next run of a scheduler",
        "test_item_92_a_paused_queue_is_drained",
        "if deleted == limit or has_record(id) and current_iteration(id) then",
        "if deleted == limit then",
    ),
    Mutation(
        "a drained last child leaves its parent waiting",
        "test_item_92_a_drained_child_takes_its_parent_along",
        "    leave_family(id, true)\n",
    ),
    Mutation(
        "obliterate leaves the records of schedulers",
        "test_item_93_a_queue_is_obliterated",
        "call('DEL', P .. 'repeat:' .. id)",
    ),
    Mutation(
        "missed runs are caught up",
        "test_item_85_missed_runs_are_left_out",
        "if run >= now then",
        "if true then",
    ),
    Mutation(
        "every start of a run plans another one",
        "test_item_85_a_received_job_plans_the_next",
        "ARGV[2] ~= run_id(scheduler, previous)",
        "false",
    ),
    Mutation(
        "an upsert counts the runs anew",
        "test_item_84_an_upsert_replaces_the_next_job",
        "'ic', tonumber(count) and count or 1",
        "'ic', 1",
    ),
    Mutation(
        "the job that an upsert replaces stays in its queue",
        "test_item_84_an_upsert_replaces_the_next_job",
        "  leave_state(last)\n",
    ),
    Mutation(
        "a taken slot too many is passed over",
        "test_item_84_taken_slots",
        "if tries == 32 then",
        "if tries == 33 then",
    ),
    Mutation(
        "the last job of an ended scheduler goes without a word",
        "test_item_87_an_ended_scheduler_leaves_nothing",
        "'event', 'removed', 'jobId', id, 'prev', 'delayed')",
        "'event', 'cleaned', 'jobId', id, 'prev', 'delayed')",
    ),
    Mutation(
        "a bulk is stored in reverse",
        "test_item_17_a_bulk_equals_single_adds",
        "call('LPUSH', target, unpack(newest))",
        "call('RPUSH', target, unpack(newest))",
    ),
    Mutation(
        "a bulk wakes nobody",
        "test_item_17_a_bulk_equals_single_adds",
        "if ready then\n  mark_ready()\nend",
    ),
    Mutation(
        "a bulk wakes workers for jobs that are not due",
        "test_item_17_a_bulk_wakes_nobody_for_what_cannot_start",
        "if ready then\n  mark_ready()\nend",
        "mark_ready()",
    ),
    Mutation(
        "a bulk counts its jobs after all that are there",
        "test_item_17_a_bulk_adds_a_custom_id_once",
        "named('INCRBY', P .. 'id', jobs) - jobs",
        "named('INCRBY', P .. 'id', jobs)",
    ),
    Mutation(
        "lifo jobs of a bulk are served last",
        "test_item_17_a_bulk_equals_single_adds",
        "lifo == '1' and front or newest",
        "newest",
    ),
    Mutation(
        "a deduplicated job of a bulk is placed all the same",
        "test_item_20_a_bulk_deduplicates_within_itself",
        "  if how == 0 then\n    place(",
        "  if how ~= 1 then\n    place(",
    ),
    Mutation(
        "only the last of the jobs that end in one call is written down as completed",
        "test_item_56_a_batch_is_its_single_calls",
        "members[#members + 1], members[#members + 2] = now, id",
        "members[1], members[2] = now, id",
    ),
    Mutation(
        "jobs that end in one call stay marked as stalled",
        "test_item_66_a_finished_job_is_no_longer_marked",
        "call('SREM', P .. 'stalled', unpack(unmarked))",
    ),
    Mutation(
        "a lost job is counted as lost twice",
        "test_item_66_a_lost_job_is_requeued",
        "(tonumber(call('HGET', P .. id, 'stc')) or 0) + 1",
        "(tonumber(call('HGET', P .. id, 'stc')) or 0) + 2",
    ),
    Mutation(
        "a minute begins with the job that ended it",
        "test_item_55_metrics_count_by_the_minute",
        "'prevTS', now, 'prevCount', before)",
        "'prevTS', now, 'prevCount', before + 1)",
    ),
)
