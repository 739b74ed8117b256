-- Stores one job and places it (§2.1, §2.2, §2.4).
--
-- KEYS[1] P
-- ARGV    custom id or '' | name | data (JSON) | opts (JSON) | timestamp ms | delay ms | priority | 1 = lifo
-- Reply   id | 1 when a job of that custom id existed already, else 0
--- include store

local counter = call('INCR', P .. 'id')
local cap = event_cap()
local id = ARGV[1]
if id == '' then
  id = whole(counter)
elseif call('EXISTS', P .. id) == 1 then
  call('XADD', P .. 'events', 'MAXLEN', '~', cap, '*', 'event', 'duplicated', 'jobId', id)
  return { id, 1 }
end

store_job(id, unpack(ARGV, 2, 7))
place_new(id, ARGV[5], ARGV[6], ARGV[7], ARGV[8] == '1')
return { id, 0 }
