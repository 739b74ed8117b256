-- How long a rate limit that is used up goes on (§7.5).
--
-- KEYS[1] P
-- ARGV    jobs per window, 0 = what the queue says
-- Reply   ms, 0 = jobs may start | with no limit known at all: PTTL of the counter, -2 without one
--- include claim

local max = tonumber(ARGV[1])
if max == 0 then
  max = tonumber(meta[3])
end
if not max then
  return call('PTTL', P .. 'limiter')
end
local _, left = limiter_room(max)
return left or 0
