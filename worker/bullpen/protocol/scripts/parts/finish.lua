--- include meta
--- include lock
--- include dedup_next
--- include keep
--- include parent
--- include metrics
-- §4.1 of one job. `from`..`to` are the further hash fields in ARGV, `keep` is `count,age,limit` or empty,
-- `trim` whether this is the first finish of the call: the stream is trimmed once.
local function finish(id, token, outcome, value, keep, attempts, from, to, now, metrics, trim)
  local job = P .. id
  local made, name, dedup, parent, flags =
    unpack(redis.pcall('HMGET', job, 'atm', 'name', 'deid', 'parentKey', 'parent'))
  if not name and misfit(job, 'hash') then -- something else stands there: the job is gone
    pass_over(misfit(job, 'hash'))
    return -1
  end
  if not name and call('EXISTS', job) == 0 then
    return -1
  end
  if outcome == 'completed' and call('EXISTS', job .. ':dependencies', job .. ':unsuccessful') > 0 then
    return call('EXISTS', job .. ':dependencies') == 1 and -4 or -9
  end
  local refused = unlock(id, token)
  if refused < 0 then
    return refused
  end
  if from <= to then
    call('HSET', job, unpack(ARGV, from, to))
  end
  if not leave_active(id) then
    return -3
  end
  if dedup then
    free_dedup(id, dedup)
    store_next(dedup, now)
  end
  local wrong = parent and parent_misfit(parent)
  if wrong then
    pass_over(wrong)
  elseif parent then
    tell_parent(job, parent, flags, outcome, value, now)
  end

  made = (tonumber(made) or 0) + 1
  local field = outcome == 'completed' and 'returnvalue' or 'failedReason'
  if keep == '' then
    call('HSET', job, field, value, 'finishedOn', now, 'atm', made)
    call('ZADD', P .. outcome, now, id)
  else
    local count, age, limit = string.match(keep, '^(-?[%d.]*),(-?[%d.]*),(-?[%d.]*)$')
    count, age, limit = tonumber(count), tonumber(age), tonumber(limit)
    if count == 0 then
      if parent and not wrong then
        leave_family(id, false)
      end
      delete_job(id)
    else
      call('HSET', job, field, value, 'finishedOn', now, 'atm', made)
      call('ZADD', P .. outcome, now, id)
      prune(P .. outcome, now, count, age, limit)
    end
  end

  local events = P .. 'events'
  if trim then
    call('XADD', events, 'MAXLEN', '~', event_cap(), '*', 'event', outcome, 'jobId', id, field, value, 'prev', 'active')
  else
    call('XADD', events, '*', 'event', outcome, 'jobId', id, field, value, 'prev', 'active')
  end
  if outcome == 'failed' then
    call('HDEL', job, 'defa')
    if made >= attempts then
      call('XADD', events, '*', 'event', 'retries-exhausted', 'jobId', id, 'attemptsMade', made)
    end
  end
  if metrics > 0 then
    count_metrics(outcome, now, metrics)
  end
  return 0
end

-- §4.8
local function announce_drained()
  if call('EXISTS', P .. 'wait', P .. 'active', P .. 'prioritized') == 0 then
    call('XADD', P .. 'events', '*', 'event', 'drained')
  end
end
