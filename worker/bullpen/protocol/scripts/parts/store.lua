--- include ready
--- include delayed
-- §2.1 step 5: a new job's record, and that it was added. `...` are further fields and values of its hash.
local function store_job(id, name, data, opts, timestamp, delay, priority, ...)
  call('HSET', P .. id, 'name', name, 'data', data, 'opts', opts, 'timestamp', timestamp, 'delay', delay,
    'priority', priority, ...)
  call('XADD', P .. 'events', '*', 'event', 'added', 'jobId', id, 'name', name)
end

-- §2.2: delayed, else prioritized, else waiting. Numbers may be given as text.
local function place_new(id, timestamp, delay, priority, front)
  local events, cap = P .. 'events', event_cap()
  if tonumber(delay) > 0 then
    local due = tonumber(timestamp) + tonumber(delay)
    place_delayed(id, due)
    call('XADD', events, 'MAXLEN', '~', cap, '*', 'event', 'delayed', 'jobId', id, 'delay', whole(due))
    mark_delayed()
  else
    place_ready(id, tonumber(priority), front)
    call('XADD', events, 'MAXLEN', '~', cap, '*', 'event', 'waiting', 'jobId', id)
  end
end
