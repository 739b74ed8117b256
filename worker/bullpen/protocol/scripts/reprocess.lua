-- Lets a finished job run again (§7.1).
--
-- KEYS[1] P
-- ARGV    id | state it is in: completed/failed | 1 = lifo | 1 = reset the attempts made | 1 = reset the attempts started
-- Reply   1 | -1 missing | -3 not in that state
--- include again
--- include family

local id, state = ARGV[1], ARGV[2]
sound_queue()
if not sound_job(id) then
  return -1
end
sound_parent(id)
if call('ZREM', P .. state, id) == 0 then
  return -3
end
forget_end(id, state)
if ARGV[4] == '1' then
  call('HDEL', P .. id, 'atm')
end
if ARGV[5] == '1' then
  call('HDEL', P .. id, 'ats')
end
rejoin_parent(id)
place_ready(id, priority_of(id), ARGV[3] == '1')
call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'waiting', 'jobId', id, 'prev', state)
return 1
