-- Makes many jobs ready that are delayed or finished (§7.2), a bounded part of them a call. Whatever their priority,
-- they go to the back of `wait`; both generations do so (obs).
--
-- KEYS[1] P
-- ARGV    state they are in: completed/failed/delayed | at most so many | finished jobs: not after this ms
-- Reply   how many
--- include again
--- include sound

sound_queue()
local state = ARGV[1]
local ids
if state == 'delayed' then
  ids = call('ZRANGE', P .. state, 0, ARGV[2] - 1)
else
  ids = call('ZRANGEBYSCORE', P .. state, 0, ARGV[3], 'LIMIT', 0, ARGV[2])
end
for i = 1, #ids, 1000 do
  call('ZREM', P .. state, unpack(ids, i, math.min(i + 999, #ids)))
end
for _, id in ipairs(ids) do
  if state ~= 'delayed' and not misfit(P .. id, 'hash') then -- of what is no record the claim will speak
    forget_end(id, state)
    rejoin_parent(id)
  end
  place_ready(id, 0, false)
  call('XADD', P .. 'events', '*', 'event', 'waiting', 'jobId', id, 'prev', state)
end
return #ids
