-- Takes down that a webhook is told no more. Ours: BullMQ has no webhooks.
--
-- KEYS[1] P of the queue of webhooks
-- ARGV    URL | now ms | how many are kept
-- Reply   1 | 0 it stands there already
--- include queue

local gone = P .. 'bullpen:gone'
local added = call('ZADD', gone, 'NX', ARGV[2], ARGV[1])
call('ZREMRANGEBYRANK', gone, 0, -tonumber(ARGV[3]) - 1)
return added
