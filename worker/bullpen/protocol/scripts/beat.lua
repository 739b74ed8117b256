-- Writes a worker's heartbeat, reads its drain mark and looks at other workers' beats. Ours: BullMQ has none of it.
--
-- KEYS[1] P
-- ARGV    instance | heartbeat (JSON object) | expiry s of the hash | sweep fields older than so many ms, 0 = do not |
--         ms after which a beat is late | how many other beats to look at, picked at random | instances to look at too ...
-- Reply   now ms by the server's clock | ms until its drain mark ends, 0 = none in force | [late beats, as stored ...]
--- include drain_mark

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

-- A few each: a thousand workers that all read each other would do nothing else.
local late, seen = {}, {}
local function look(instance, beat)
  local at = beat and tonumber(string.match(beat, '^{"at":(%d+),'))
  if at and now - at >= tonumber(ARGV[5]) and instance ~= ARGV[1] and not seen[instance] then
    seen[instance] = true
    late[#late + 1] = beat
  end
end
local some = tonumber(ARGV[6]) > 0 and call('HRANDFIELD', workers, ARGV[6], 'WITHVALUES') or {}
for i = 1, #some, 2 do
  look(some[i], some[i + 1])
end
for i = 7, #ARGV do
  look(ARGV[i], call('HGET', workers, ARGV[i]))
end
return { now, drain_mark(ARGV[1]), late }
