-- Deletes a queue (§7.4), a bounded number of its jobs a call. Jobs in waiting-children, rate limits and deduplication
-- ids that no deleted job holds are left.
--
-- KEYS[1] P
-- ARGV    delete at most so many jobs | 1 = active ones too
-- Reply   0 nothing is left | 1 there is more | -1 the queue is not paused | -2 jobs are active
--- include sweep

if call('HEXISTS', P .. 'meta', 'paused') == 0 then
  return -1
end
if ARGV[2] ~= '1' and call('TYPE', P .. 'active')['ok'] == 'list' then
  return -2
end

local room = tonumber(ARGV[1])

-- Takes up to `room` members out; false when there may be more.
local function empty(key, forget)
  local kind = call('TYPE', key)['ok']
  if kind ~= 'list' and kind ~= 'zset' then
    call('DEL', key)
    return true
  end
  local is_list = kind == 'list'
  local members = call(is_list and 'RPOP' or 'ZPOPMIN', key, room) or {}
  for i = 1, #members, is_list and 1 or 2 do
    forget(members[i])
    room = room - 1
  end
  return room > 0
end

local function forget_active(id)
  discard(id)
  call('DEL', P .. id .. ':lock')
end

local function forget_scheduler(id)
  call('DEL', P .. 'repeat:' .. id)
end

local emptied = empty(P .. 'active', forget_active) and empty(P .. 'delayed', discard)
  and empty(P .. 'repeat', forget_scheduler) and empty(P .. 'completed', discard) and empty(P .. 'wait', discard)
  and empty(P .. 'paused', discard) and empty(P .. 'prioritized', discard) and empty(P .. 'failed', discard)
if not emptied then
  return 1
end
for _, name in ipairs({ 'events', 'stalled-check', 'stalled', 'id', 'pc', 'marker', 'meta', 'metrics:completed',
  'metrics:completed:data', 'metrics:failed', 'metrics:failed:data' }) do
  call('DEL', P .. name)
end
return 0
