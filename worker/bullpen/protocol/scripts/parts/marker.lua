--- include meta
-- §2.2: idle workers block on the marker; a member is written again rather than added.
local function mark_ready(queue)
  queue = queue or here
  if not blocked(queue) then
    call('ZADD', queue.base .. 'marker', 0, '0')
  end
end

-- The score keeps the fraction that the sequence of the head leaves after the division (§1.5).
local function mark_delayed(queue)
  local base = (queue or here).base
  local head = call('ZRANGE', base .. 'delayed', 0, 0, 'WITHSCORES')
  if head[2] then
    call('ZADD', base .. 'marker', tonumber(head[2]) / 4096, '1')
  end
end
