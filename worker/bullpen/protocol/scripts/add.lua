-- Stores one job and places it (§2.1, §2.2, §2.4), unless another one stands for it (§2.5).
--
-- KEYS[1] P
-- ARGV    custom id or '' | name | data (JSON) | opts (JSON) | timestamp ms | delay ms | priority | 1 = lifo
-- Reply   id | 0 added, 1 a job of that custom id existed already, 2 deduplicated: the id is the owner's
--- include queue
call = redis.call
--- include store
--- include deduplicate

local dedup = dedup_options(ARGV[4])
if dedup then
  refuse(misfit(P .. 'de:' .. dedup.id, 'string'))
  sound_job(call('GET', P .. 'de:' .. dedup.id) or '')
  sound_queue()
end
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
local cap = event_cap()
local id = ARGV[1]
if id == '' then
  id = whole(counter)
elseif call('EXISTS', P .. id) == 1 then
  call('XADD', P .. 'events', 'MAXLEN', '~', cap, '*', 'event', 'duplicated', 'jobId', id)
  return { id, 1 }
end

if dedup then
  refuse(misfit(P .. id, 'hash'))
  local owner = deduplicate(dedup, id, unpack(ARGV, 2, 6))
  if owner then
    return { owner, 2 }
  end
  store_job(id, ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], 'deid', dedup.id)
else
  store_job(id, unpack(ARGV, 2, 7))
end
place_new(id, ARGV[5], ARGV[6], ARGV[7], ARGV[8] == '1')
return { id, 0 }
