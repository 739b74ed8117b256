--- include marker
-- §1.5: score of a prioritized job; the counter orders jobs of one priority.
local function prioritize(id, priority)
  local sequence = call('INCR', P .. 'pc')
  call('ZADD', P .. 'prioritized', priority * 4294967296 + sequence % 4294967296, id)
end

-- Where a ready job goes; `front` concerns jobs without priority only.
local function place_ready(id, priority, front)
  if priority > 0 then
    prioritize(id, priority)
  else
    call(front and 'RPUSH' or 'LPUSH', target, id)
  end
  mark_ready()
end

local function priority_of(id)
  return tonumber(call('HGET', P .. id, 'priority')) or 0
end
