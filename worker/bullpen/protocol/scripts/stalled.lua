-- Takes jobs from workers that stopped renewing, at most once per interval and queue (§6.2).
--
-- KEYS[1] P
-- ARGV    now ms | interval ms | how often a job may be lost before it is given up
-- Reply   [ids put back to wait]
--- include marker
--- include lock
--- include sound
--- include delayed

sound('active', 'stalled', 'events', 'marker', 'wait', 'paused', 'repeat')

if not call('SET', P .. 'stalled-check', ARGV[1], 'PX', ARGV[2], 'NX') then
  return {}
end
local events = P .. 'events'
call('XTRIM', events, 'MAXLEN', '~', event_cap())

-- §6.2: iterations of a live scheduler are never given up, or the schedule would end with them.
local function scheduled(id)
  local scheduler = call('HGET', P .. id, 'rjk')
  if not scheduler then
    return false
  end
  return call('EXISTS', P .. 'repeat:' .. scheduler) == 1 or call('ZSCORE', P .. 'repeat', scheduler) ~= false
end

local function count_stall(id)
  local count = (tonumber(call('HGET', P .. id, 'stc')) or 0) + 1
  call('HSET', P .. id, 'stc', whole(count), 'bp:cause', 'lost') -- bp:cause is ours: what the attempt died of
  if count > tonumber(ARGV[3]) and not scheduled(id) then
    call('HSET', P .. id, 'defa', 'job stalled more than allowable limit')
  end
end

local stalled = {}
local marked = call('SMEMBERS', P .. 'stalled')
call('DEL', P .. 'stalled')
for _, id in ipairs(marked) do
  if call('EXISTS', P .. id .. ':lock') == 0 and leave_active(id) then
    if not misfit(P .. id, 'hash') then -- of what is no record the claim will speak
      count_stall(id)
    end
    call('RPUSH', target, id)
    mark_ready()
    call('XADD', events, '*', 'event', 'waiting', 'jobId', id, 'prev', 'active')
    call('XADD', events, '*', 'event', 'stalled', 'jobId', id)
    stalled[#stalled + 1] = id
  end
end

local active = call('LRANGE', P .. 'active', 0, -1)
for i = 1, #active, 1000 do
  call('SADD', P .. 'stalled', unpack(active, i, math.min(i + 999, #active)))
end
return stalled
