-- Ready jobs by priority (§7.5).
--
-- KEYS[1] P
-- ARGV    priority, ...
-- Reply   [how many of each, in order]
--- include queue

local counts = {}
for i, given in ipairs(ARGV) do
  local priority = tonumber(given)
  if priority == 0 then
    counts[i] = call('LLEN', P .. 'wait') + call('LLEN', P .. 'paused')
  else
    local first = priority * 4294967296
    counts[i] = call('ZCOUNT', P .. 'prioritized', first, first + 4294967295)
  end
end
return counts
