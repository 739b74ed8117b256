-- Deletes jobs of one state that are old enough (§7.4), looking at a bounded number of them a call.
--
-- KEYS[1] P
-- ARGV    completed/failed/delayed/prioritized/wait/paused/active | not after this ms | delete at most so many |
--         look at most at so many | how many to pass over: those that earlier calls looked at and left
-- Reply   [ids deleted] | how many to pass over in the next call | 1 = there may be more, 0 = that was all
--- include sweep

sound_queue()
sound('repeat')
local state, latest, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local room, kept = tonumber(ARGV[4]), tonumber(ARGV[5])
local finished = state == 'completed' or state == 'failed'

-- What tells the age of a job, the first that is there.
local AGE = {
  delayed = { 'processedOn', 'timestamp' },
  prioritized = { 'timestamp' },
}
local fields = AGE[state] or { 'finishedOn', 'processedOn', 'timestamp' }

local function old(id)
  if not has_record(id) then
    return true
  end
  local times = call('HMGET', P .. id, unpack(fields))
  for i = 1, #fields do
    if times[i] then
      return (tonumber(times[i]) or 0) <= latest
    end
  end
  return true
end

local deleted = 0
local function goes(id)
  if deleted == limit or not old(id) or has_record(id) and current_iteration(id) then
    return false
  end
  if state == 'active' and call('EXISTS', P .. id .. ':lock') == 1 then
    return false
  end
  discard(id)
  deleted = deleted + 1
  return true
end

local ids, seen
if finished then
  ids = call('ZRANGEBYSCORE', P .. state, '-inf', latest, 'LIMIT', 0, math.min(room, limit))
  for _, id in ipairs(ids) do
    discard(id)
    call('ZREM', P .. state, id)
  end
  seen = #ids
else
  ids, seen = sweep(state, kept, room, goes)
end
call('XADD', P .. 'events', '*', 'event', 'cleaned', 'count', #ids)
return { ids, kept + seen - #ids, seen == room and #ids < limit and 1 or 0 }
