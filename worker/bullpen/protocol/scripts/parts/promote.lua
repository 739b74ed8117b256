--- include ready
-- §3.1 step 2: at most 1000 due jobs leave delayed, in order of score.
local function promote(now)
  local due = call('ZRANGEBYSCORE', P .. 'delayed', '-inf', (now + 1) * 4096 - 1, 'LIMIT', 0, 1000)
  if #due == 0 then
    return
  end
  call('ZREM', P .. 'delayed', unpack(due))
  for _, id in ipairs(due) do
    local priority = priority_of(id)
    if priority > 0 then
      prioritize(id, priority)
    else
      call('LPUSH', target, id)
    end
    call('XADD', P .. 'events', '*', 'event', 'waiting', 'jobId', id, 'prev', 'delayed')
    redis.pcall('HSET', P .. id, 'delay', 0) -- of what is no record the claim will speak
  end
  mark_ready()
end
