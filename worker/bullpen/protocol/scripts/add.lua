-- Stores one job and places it (§2.1, §2.2, §2.4), unless another one stands for it (§2.5).
--
-- KEYS[1] P
-- ARGV    custom id or '' | name | data (JSON) | opts (JSON) | timestamp ms | delay ms | priority | 1 = lifo
-- Reply   id | 0 added, 1 a job of that custom id existed already, 2 deduplicated: the id is the owner's
--- include queue
call = redis.call
--- include enter

local dedup = sound_dedup(ARGV[4])
sound_key('XLEN', P .. 'events', 'stream')
sound_key('ZCARD', P .. 'marker', 'zset')
if tonumber(ARGV[6]) > 0 then
  sound_key('ZCARD', P .. 'delayed', 'zset')
elseif tonumber(ARGV[7]) > 0 then
  sound_key('ZCARD', P .. 'prioritized', 'zset')
else
  sound_key('LLEN', target, 'list')
end
local counter = named('INCR', P .. 'id') -- the first write
event_cap()
local id, how = enter(counter, dedup, unpack(ARGV, 1, 7))
if how == 0 then
  place_new(id, ARGV[5], ARGV[6], ARGV[7], ARGV[8] == '1')
end
return { id, how }
