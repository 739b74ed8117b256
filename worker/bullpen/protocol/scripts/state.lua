-- Where a job is (§7.5).
--
-- KEYS[1] P
-- ARGV    id
-- Reply   name of the state
--- include queue

local id = ARGV[1]
for _, state in ipairs({ 'completed', 'failed', 'delayed', 'prioritized' }) do
  if call('ZSCORE', P .. state, id) then
    return state
  end
end
if call('LPOS', P .. 'active', id) then
  return 'active'
end
if call('LPOS', P .. 'wait', id) or call('LPOS', P .. 'paused', id) then
  return 'waiting'
end
return call('ZSCORE', P .. 'waiting-children', id) and 'waiting-children' or 'unknown'
