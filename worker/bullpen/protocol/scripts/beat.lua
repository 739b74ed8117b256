-- Writes a worker's heartbeat and reads its drain mark. Ours: BullMQ has neither.
--
-- KEYS[1] P
-- ARGV    instance | heartbeat (JSON object) | expiry s of the hash | sweep fields older than so many ms, 0 = do not
-- Reply   now ms by the server's clock | end ms of the drain mark, 0 = none in force
--- include queue

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local workers = P .. 'bullpen:workers'
-- Spliced in as text: decoding and encoding again would lose digits and empty arrays.
call('HSET', workers, ARGV[1], string.format('{"at":%.0f,', now) .. string.sub(ARGV[2], 2))
call('EXPIRE', workers, ARGV[3])
local stale = tonumber(ARGV[4])
if stale > 0 then
  local fields = call('HGETALL', workers)
  for i = 1, #fields, 2 do
    local at = tonumber(string.match(fields[i + 1], '^{"at":(%d+),'))
    if not at or now - at > stale then
      call('HDEL', workers, fields[i])
    end
  end
end
local lease = tonumber(call('HGET', P .. 'bullpen:drain', ARGV[1])) or 0
return { now, lease > now and lease or 0 }
