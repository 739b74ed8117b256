-- Moves an active job to waiting-children (§5.4).
--
-- KEYS[1] P
-- ARGV    now ms | id | token | key of the child to wait for, or '' = any that are pending
-- Reply   0 | 1 nothing is pending, it goes on | -1 missing | -2 no lock | -3 not active | -6 somebody else's lock |
--         -9 children failed
--- include meta
--- include lock
--- include sound

local id, child = ARGV[2], ARGV[4]
local job = P .. id
sound_queue()
if not sound_job(id) then
  return -1
end
if call('EXISTS', job .. ':unsuccessful') == 1 then
  return -9
end
local pending = job .. ':dependencies'
if child == '' and call('EXISTS', pending) == 0 or child ~= '' and call('SISMEMBER', pending, child) == 0 then
  return 1
end
local refused = unlock(id, ARGV[3])
if refused < 0 then
  return refused
end
if not leave_active(id) then
  return -3
end
call('ZADD', P .. 'waiting-children', ARGV[1], id)
call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'waiting-children', 'jobId', id, 'prev', 'active')
return 0
