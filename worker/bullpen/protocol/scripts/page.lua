-- Ids of the jobs in one state, a page of them (§7.5).
--
-- KEYS[1] P
-- ARGV    name of the state; `waiting` is all that is ready without priority, paused or not | first | last (inclusive,
--         -1 = to the end) | 1 = oldest first
-- Reply   [ids]
--- include queue

local state, first, last, oldest_first = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local LISTS = { waiting = { 'wait', 'paused' }, active = { 'active' } }
if not LISTS[state] then
  return call(oldest_first and 'ZRANGE' or 'ZREVRANGE', P .. state, first, last)
end

-- The lists stand for one, newest first: what is in `paused` is served before what is in `wait` (§7.3).
local total = 0
for _, name in ipairs(LISTS[state]) do
  total = total + call('LLEN', P .. name)
end
if last < 0 or last >= total then
  last = total - 1
end
local from, to = first, last
if oldest_first then
  from, to = total - 1 - last, total - 1 - first
end
local ids, before = {}, 0
for _, name in ipairs(LISTS[state]) do
  local length = call('LLEN', P .. name)
  local here_from, here_to = math.max(from - before, 0), math.min(to - before, length - 1)
  if here_from <= here_to then
    for _, id in ipairs(call('LRANGE', P .. name, here_from, here_to)) do
      ids[#ids + 1] = id
    end
  end
  before = before + length
end
if not oldest_first then
  return ids
end
local turned = {}
for i = #ids, 1, -1 do
  turned[#turned + 1] = ids[i]
end
return turned
