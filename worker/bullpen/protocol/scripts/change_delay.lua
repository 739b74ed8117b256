-- Gives a delayed job another due time (§7.1).
--
-- KEYS[1] P
-- ARGV    now ms | id | delay ms from now
-- Reply   0 | -1 missing | -3 not delayed
--- include delayed
--- include sound

local id = ARGV[2]
sound_queue()
if not sound_job(id) then
  return -1
end
if not call('ZSCORE', P .. 'delayed', id) then
  return -3
end
local due = tonumber(ARGV[1]) + tonumber(ARGV[3])
call('HSET', P .. id, 'delay', ARGV[3])
place_delayed(id, due)
call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'delayed', 'jobId', id, 'delay', whole(due))
mark_delayed()
return 0
