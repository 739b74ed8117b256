--- include store
--- include deduplicate
-- An error reply when something else stands where a deduplication id belongs. To be asked before anything is written.
local function misplaced(dedup)
  local wrong = dedup and misfit(dedup.id)
  if wrong then
    local key = P .. 'de:' .. dedup.id
    return redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. wrong .. ', not the id of a job: delete it')
  end
end

-- §2.1 steps 3 to 5 of a job that `counter` counts: its id and 0 when it is stored and has to be placed; else the id of
-- the job that stands for it and 1 when that has its custom id (§2.4), 2 when it owns its deduplication id (§2.5).
local function enter(counter, dedup, id, name, data, opts, timestamp, delay, priority)
  if id == '' then
    id = whole(counter)
  elseif call('EXISTS', P .. id) == 1 then
    call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'duplicated', 'jobId', id)
    return id, 1
  end
  if dedup then
    local owner = deduplicate(dedup, id, name, data, opts, timestamp, delay)
    if owner then
      return owner, 2
    end
    store_job(id, name, data, opts, timestamp, delay, priority, 'deid', dedup.id)
  else
    store_job(id, name, data, opts, timestamp, delay, priority)
  end
  return id, 0
end
