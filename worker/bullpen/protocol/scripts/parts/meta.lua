--- include queue
-- §1.6: pause, limits and the cap of the event stream of the queue whose keys begin with `base`.
local function read_queue(base)
  local meta = named('HMGET', base .. 'meta', 'paused', 'concurrency', 'max', 'duration', 'opts.maxLenEvents')
  local paused = meta[1] ~= false
  return {
    base = base,
    meta = meta,
    paused = paused,
    concurrency = tonumber(meta[2]),
    target = base .. (paused and 'paused' or 'wait'),
  }
end

-- Read once a call. Functions that take a `queue` mean this one when none is given.
local here = read_queue(P)
local meta, paused, concurrency, target = here.meta, here.paused, here.concurrency, here.target

-- The queues of a job's parent and children: read when something has to be placed there, once a call.
local queues = { [P] = here }
local function queue_at(base)
  queues[base] = queues[base] or read_queue(base)
  return queues[base]
end

local function blocked(queue)
  queue = queue or here
  return queue.paused or (queue.concurrency ~= nil and call('LLEN', queue.base .. 'active') >= queue.concurrency)
end

-- Whoever trims the stream makes sure that its cap is written down (§2.1 step 2).
local function event_cap(queue)
  queue = queue or here
  local cap = queue.meta[5]
  if not cap then
    cap = '10000'
    call('HSET', queue.base .. 'meta', 'opts.maxLenEvents', cap)
  elseif #cap > 15 or string.find(cap, '%D') or cap == '' then
    cap = '10000' -- XADD would end the script; what somebody wrote there stays
  end
  queue.meta[5] = cap
  return cap
end
