--- include queue
-- §4.1 step 3. 0 = it was ours and is gone now, -2 = there is no lock, -6 = it is somebody else's, or no lock at all.
local function unlock(id, token)
  local lock = P .. id .. ':lock'
  local owner = redis.pcall('GET', lock)
  if owner == token then
    call('DEL', lock)
    call('SREM', P .. 'stalled', id)
    return 0
  end
  return owner and -6 or -2
end

-- Jobs that end soon after their start stand near the head of active. Searching from there keeps thousands of
-- long-running jobs, which gather at the tail, out of every removal.
local function leave_active(id)
  return call('LREM', P .. 'active', 1, id) == 1
end
