-- Moves an active job to delayed (§5.3).
--
-- KEYS[1] P
-- ARGV    now ms | id | token | delay ms | 1 = leave the attempts alone | field, value, ...
-- Reply   0 | -1 missing | -2 no lock | -3 not active | -6 somebody else's lock
--- include delayed
--- include decide

local id = ARGV[2]
local status = take_back(id, ARGV[3], 6)
if status < 0 then
  return status
end
local due = tonumber(ARGV[1]) + tonumber(ARGV[4])
if ARGV[5] ~= '1' then
  count_attempt(id)
end
call('HSET', P .. id, 'delay', ARGV[4])
place_delayed(id, due)
call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'delayed', 'jobId', id, 'delay', whole(due))
mark_delayed()
return 0
