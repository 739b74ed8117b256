--- include family
--- include dedup
--- include record
-- Parts speak of the queue in P. A child may be of another queue: P stands for that one while it is dealt with.
local function at_key(key, act, ...)
  local own, own_queue = P, here
  local base, id = split_key(key)
  P, here = base, queue_at(base)
  local answer = act(id, ...)
  P, here = own, own_queue
  return answer
end

-- The state in which the job was, by the name of its key.
local function leave_state(id)
  for _, state in ipairs({ 'completed', 'waiting-children', 'delayed', 'failed', 'prioritized' }) do
    if call('ZREM', P .. state, id) == 1 then
      return state
    end
  end
  for _, state in ipairs({ 'wait', 'paused', 'active' }) do
    if call('LREM', P .. state, 1, id) == 1 then
      return state
    end
  end
  return 'unknown'
end

-- A worker holds the job or, with its children, one that the job waits for. Ends the script before anything is written
-- when one of their queues is damaged.
local looked_at = {}
local function locked(id, children)
  if not looked_at[P] then
    sound_queue()
    looked_at[P] = true
  end
  refuse(children and children_misfit(P .. id))
  if call('EXISTS', P .. id .. ':lock') == 1 then
    return true
  end
  for _, child in ipairs(children and call('SMEMBERS', P .. id .. ':dependencies') or {}) do
    if at_key(child, locked, true) then
      return true
    end
  end
  return false
end

-- §7.4: takes a job away, its children before it.
local function remove(id, children)
  local known = has_record(id)
  if known then
    leave_family(id, false)
  end
  if children then
    local job = P .. id
    for _, kind in ipairs({ 'processed', 'failed' }) do
      for _, child in ipairs(call('HKEYS', job .. ':' .. kind)) do
        at_key(child, remove, true)
      end
    end
    for _, child in ipairs(call('ZRANGE', job .. ':unsuccessful', 0, -1)) do
      at_key(child, remove, true)
    end
    for _, child in ipairs(call('SMEMBERS', job .. ':dependencies')) do
      at_key(child, remove, true)
    end
  end
  local state = leave_state(id)
  if known then
    drop_dedup(id)
  end
  if delete_job(id) > 0 then
    call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'removed', 'jobId', id, 'prev', state)
  end
end
