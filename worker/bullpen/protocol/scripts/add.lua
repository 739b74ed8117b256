-- Stores one job and places it (§2.1, §2.2, §2.4), unless another one stands for it (§2.5).
--
-- KEYS[1] P
-- ARGV    custom id or '' | name | data (JSON) | opts (JSON) | timestamp ms | delay ms | priority | 1 = lifo
-- Reply   id | 0 added, 1 a job of that custom id existed already, 2 deduplicated: the id is the owner's
--- include enter

local dedup = dedup_options(ARGV[4])
local wrong = misplaced(dedup)
if wrong then
  return wrong
end
local counter = call('INCR', P .. 'id')
event_cap()
local id, how = enter(counter, dedup, unpack(ARGV, 1, 7))
if how == 0 then
  place_new(id, ARGV[5], ARGV[6], ARGV[7], ARGV[8] == '1')
end
return { id, how }
