--- include store
--- include misfit
-- What few jobs need is made for the first of them: in Redis a Lua function costs about as much as a small command.
local function deduplication()
--- include deduplicate
--- include sound
local queue_is_sound = false

-- Ends the script when deduplication would: it looks at the owner, and may take it out of the queue.
local function look_at_owner(dedup)
  local key = P .. 'de:' .. dedup.id
  refuse(misfit(key, 'string'))
  sound_job(call('GET', key) or '')
  if not queue_is_sound then
    sound_queue()
    queue_is_sound = true
  end
end
  return { options = dedup_options, look = look_at_owner, deduplicate = deduplicate }
end
local rare

-- The deduplication options among a job's, nil when it has none. Ends the script when what they need is damaged.
local function sound_dedup(opts)
  if string.find(opts, '"de":', 1, true) then
    rare = rare or deduplication()
    local dedup = rare.options(opts)
    if dedup then
      rare.look(dedup)
    end
    return dedup
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
    refuse(misfit(P .. id, 'hash'))
    local owner = rare.deduplicate(dedup, id, name, data, opts, timestamp, delay)
    if owner then
      return owner, 2
    end
    store_job(id, name, data, opts, timestamp, delay, priority, 'deid', dedup.id)
  else
    store_job(id, name, data, opts, timestamp, delay, priority)
  end
  return id, 0
end
