-- Stores one job and places it (§2.1, §2.2, §2.4).
--
-- KEYS[1] P
-- ARGV    custom id or '' | name | data (JSON) | opts (JSON) | timestamp ms | delay ms | priority | 1 = lifo
-- Reply   id | 1 when a job of that custom id existed already, else 0
--- include ready
--- include delayed

local counter = call('INCR', P .. 'id')
local cap = event_cap()
local events = P .. 'events'
local id = ARGV[1]
if id == '' then
  id = whole(counter)
elseif call('EXISTS', P .. id) == 1 then
  call('XADD', events, 'MAXLEN', '~', cap, '*', 'event', 'duplicated', 'jobId', id)
  return { id, 1 }
end

local delay, priority = tonumber(ARGV[6]), tonumber(ARGV[7])
call('HSET', P .. id, 'name', ARGV[2], 'data', ARGV[3], 'opts', ARGV[4], 'timestamp', ARGV[5], 'delay', ARGV[6],
  'priority', ARGV[7])
call('XADD', events, '*', 'event', 'added', 'jobId', id, 'name', ARGV[2])

if delay > 0 then
  local due = tonumber(ARGV[5]) + delay
  place_delayed(id, due)
  call('XADD', events, 'MAXLEN', '~', cap, '*', 'event', 'delayed', 'jobId', id, 'delay', whole(due))
  mark_delayed()
else
  place_ready(id, priority, ARGV[8] == '1')
  call('XADD', events, 'MAXLEN', '~', cap, '*', 'event', 'waiting', 'jobId', id)
end
return { id, 0 }
