-- Gives a job another priority; one that is ready moves to its new place (§7.1).
--
-- KEYS[1] P
-- ARGV    id | priority | 1 = before the others of that priority
-- Reply   0 | -1 missing
--- include ready
--- include sound

local id, priority, front = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
sound_queue()
if not sound_job(id) then
  return -1
end
-- Both lists: a v6 client leaves the jobs of a paused queue in `wait`.
if call('ZREM', P .. 'prioritized', id) == 1 or call('LREM', P .. 'wait', 1, id) == 1
  or call('LREM', P .. 'paused', 1, id) == 1 then
  if front and priority > 0 then
    call('ZADD', P .. 'prioritized', priority * 4294967296, id)
  else
    place_ready(id, priority, front)
  end
end
call('HSET', P .. id, 'priority', ARGV[2])
return 0
