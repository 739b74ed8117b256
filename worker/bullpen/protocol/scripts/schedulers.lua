-- Schedulers with their records, by their next run (§8.1).
--
-- KEYS[1] P
-- ARGV    first | last (inclusive, negative from the end) | 1 = the earliest first
-- Reply   [[id, next run ms, record] ...] | how many there are
--- include delayed

local order = ARGV[3] == '1' and 'ZRANGE' or 'ZREVRANGE'
local found = call(order, P .. 'repeat', ARGV[1], ARGV[2], 'WITHSCORES')
local page = {}
for i = 1, #found, 2 do
  page[#page + 1] = { found[i], whole(tonumber(found[i + 1])), call('HGETALL', P .. 'repeat:' .. found[i]) }
end
return { page, call('ZCARD', P .. 'repeat') }
