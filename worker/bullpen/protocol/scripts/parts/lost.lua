--- include marker
--- include lock
--- include sound
--- include delayed
-- §6.2 step 2, of jobs whose worker is gone: what the stalled check and the reclaim share.

-- Iterations of a live scheduler are never given up, or the schedule would end with them.
local function scheduled(id)
  local scheduler = call('HGET', P .. id, 'rjk')
  if not scheduler then
    return false
  end
  return call('EXISTS', P .. 'repeat:' .. scheduler) == 1 or call('ZSCORE', P .. 'repeat', scheduler) ~= false
end

local function count_stall(id, most)
  local count = (tonumber(call('HGET', P .. id, 'stc')) or 0) + 1
  call('HSET', P .. id, 'stc', whole(count), 'bp:cause', 'lost') -- bp:cause is ours: what the attempt died of
  if count > most and not scheduled(id) then
    call('HSET', P .. id, 'defa', 'job stalled more than allowable limit')
  end
end

-- Returns whether the job was active; then it is back in wait, one stall more on its record.
local function put_back_lost(id, most)
  if not leave_active(id) then
    return false
  end
  if not misfit(P .. id, 'hash') then -- of what is no record the claim will speak
    count_stall(id, most)
  end
  call('RPUSH', target, id)
  mark_ready()
  call('XADD', P .. 'events', '*', 'event', 'waiting', 'jobId', id, 'prev', 'active')
  call('XADD', P .. 'events', '*', 'event', 'stalled', 'jobId', id)
  return true
end
