-- Deletes jobs that wait to be run (§7.4), a bounded part of them a call; runs of schedulers stay.
--
-- KEYS[1] P
-- ARGV    1 = delayed jobs too | delete at most so many
-- Reply   how many were deleted
--- include sweep

sound_queue()
sound('repeat')
local limit, deleted = tonumber(ARGV[2]), 0
local function goes(id)
  if deleted == limit or has_record(id) and current_iteration(id) then
    return false
  end
  discard(id)
  deleted = deleted + 1
  return true
end

local states = { 'wait', 'paused', 'prioritized' }
if ARGV[1] == '1' then
  states[4] = 'delayed'
end
for _, state in ipairs(states) do
  local kept, seen = 0, nil
  while deleted < limit and seen ~= 0 do
    local gone
    gone, seen = sweep(state, kept, limit, goes)
    kept = kept + seen - #gone
  end
end
return deleted
