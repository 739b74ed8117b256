--- include queue
-- §4.5: throughput by minute, newest first, at most `size` minutes; the present minute is not in the list.
local function count_metrics(outcome, now, size)
  local key = P .. 'metrics:' .. outcome
  local before = call('HINCRBY', key, 'count', 1) - 1
  local previous = call('HMGET', key, 'prevTS', 'prevCount')
  if not previous[1] then
    call('HSET', key, 'prevTS', now, 'prevCount', 0)
    return
  end
  local minutes = math.min(size, math.floor(now / 60000) - math.floor(tonumber(previous[1]) / 60000))
  if minutes < 1 then
    return
  end
  local data = key .. ':data'
  call('LPUSH', data, before - (tonumber(previous[2]) or 0))
  for _ = 2, minutes do
    call('LPUSH', data, 0)
  end
  call('LTRIM', data, 0, size - 1)
  call('HSET', key, 'prevTS', now, 'prevCount', before)
end
