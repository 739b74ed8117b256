-- Makes one delayed job ready (§7.1).
--
-- KEYS[1] P
-- ARGV    id
-- Reply   0 | -1 missing | -3 not delayed
--- include ready
--- include sound

local id = ARGV[1]
sound_queue()
sound_job(id)
if call('ZREM', P .. 'delayed', id) == 0 then
  return call('EXISTS', P .. id) == 1 and -3 or -1
end
place_ready(id, priority_of(id), false)
call('HSET', P .. id, 'delay', 0)
call('XADD', P .. 'events', '*', 'event', 'waiting', 'jobId', id, 'prev', 'delayed')
return 0
