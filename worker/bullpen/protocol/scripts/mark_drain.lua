-- Marks workers for draining, or renews their marks. Ours: BullMQ has none. A mark is a lease: when nobody renews it, the
-- worker goes on, so an operator that dies cannot leave a queue silently stopped.
--
-- KEYS[1] P
-- ARGV    ms of the lease | instance ...
-- Reply   epoch ms at which the marks end, by the server's clock
--- include queue

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local marks, until_ms = P .. 'bullpen:drain', now + tonumber(ARGV[1])
local stored = call('HGETALL', marks)
for i = 1, #stored, 2 do
  if (tonumber(stored[i + 1]) or 0) <= now then
    call('HDEL', marks, stored[i])
  end
end
for i = 2, #ARGV do
  call('HSET', marks, ARGV[i], string.format('%.0f', until_ms))
end
if call('PTTL', marks) < tonumber(ARGV[1]) then -- the marks of others may last longer
  call('PEXPIRE', marks, ARGV[1])
end
return until_ms
