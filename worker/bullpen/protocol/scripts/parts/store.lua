--- include ready
--- include delayed
-- §2.1 step 5: a new job's record, and that it was added. `...` are further fields and values of its hash.
local function store_job_in(base, id, name, data, opts, timestamp, delay, priority, ...)
  named('HSET', base .. id, 'name', name, 'data', data, 'opts', opts, 'timestamp', timestamp, 'delay', delay,
    'priority', priority, ...)
  call('XADD', base .. 'events', '*', 'event', 'added', 'jobId', id, 'name', name)
end

local function store_job(...)
  store_job_in(P, ...)
end

-- §2.2: delayed, else prioritized, else waiting. Numbers may be given as text.
local function place_new(id, timestamp, delay, priority, front, queue)
  queue = queue or here
  local events, cap = queue.base .. 'events', event_cap(queue)
  if tonumber(delay) > 0 then
    local due = tonumber(timestamp) + tonumber(delay)
    place_delayed(id, due, queue)
    call('XADD', events, 'MAXLEN', '~', cap, '*', 'event', 'delayed', 'jobId', id, 'delay', whole(due))
    mark_delayed(queue)
  else
    place_ready(id, tonumber(priority), front, queue)
    call('XADD', events, 'MAXLEN', '~', cap, '*', 'event', 'waiting', 'jobId', id)
  end
end
