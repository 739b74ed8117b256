--- include marker
-- §1.5: score of a prioritized job; the counter orders jobs of one priority.
local function prioritize(id, priority, queue)
  local base = (queue or here).base
  local sequence = redis.pcall('INCR', base .. 'pc')
  if type(sequence) == 'table' then -- no counter: it begins anew, as after every fetch that finds nothing
    call('DEL', base .. 'pc')
    sequence = call('INCR', base .. 'pc')
  end
  call('ZADD', base .. 'prioritized', priority * 4294967296 + sequence % 4294967296, id)
end

-- Where a ready job goes; `front` concerns jobs without priority only.
local function place_ready(id, priority, front, queue)
  queue = queue or here
  if priority > 0 then
    prioritize(id, priority, queue)
  else
    call(front and 'RPUSH' or 'LPUSH', queue.target, id)
  end
  mark_ready(queue)
end

local function priority_of(id)
  return tonumber(redis.pcall('HGET', P .. id, 'priority')) or 0 -- also when its record is none
end
