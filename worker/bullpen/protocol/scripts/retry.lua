-- Puts an active job back to wait, its attempt counted (§5.2).
--
-- KEYS[1] P
-- ARGV    now ms | id | token | 1 = lifo | field, value, ...
-- Reply   0 | -1 missing | -2 no lock | -3 not active | -6 somebody else's lock
--- include promote
--- include decide

local id = ARGV[2]
sound_queue()
sound_job(id)
promote(tonumber(ARGV[1]))
local status = take_back(id, ARGV[3], 5)
if status < 0 then
  return status
end
place_ready(id, priority_of(id), ARGV[4] == '1')
count_attempt(id)
call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'waiting', 'jobId', id, 'prev', 'active')
return 0
