-- Gives an active job back to the front of the queue, no attempt counted (§6.3).
--
-- KEYS[1] P
-- ARGV    id | token | ms of a rate limit that begins now (§3.2), 0 = none
-- Reply   ms until a rate limit in force ends, else 0 | -1 missing | -2 no lock | -6 somebody else's lock
--- include ready
--- include lock
--- include sound

local id = ARGV[1]
sound_queue()
if not sound_job(id) then
  return -1
end
local refused = unlock(id, ARGV[2])
if refused < 0 then
  return refused
end
if leave_active(id) then
  local priority = priority_of(id)
  if priority > 0 then
    -- Counter 0 puts it before every other job of its priority.
    call('ZADD', P .. 'prioritized', priority * 4294967296, id)
  else
    call('RPUSH', target, id)
  end
  mark_ready() -- §12: for prioritized jobs too, or nobody would wake up for it
  call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'waiting', 'jobId', id, 'prev', 'active')
end
if tonumber(ARGV[3]) > 0 then
  call('SET', P .. 'limiter', '9007199254740991', 'PX', ARGV[3])
end
return math.max(call('PTTL', P .. 'limiter'), 0)
