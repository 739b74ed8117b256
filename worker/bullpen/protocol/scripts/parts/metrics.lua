--- include sound
-- §4.5: throughput by minute, newest first, at most `size` minutes; the present minute is not in the list.
local function count_metrics(outcome, now, size)
  local key = P .. 'metrics:' .. outcome
  local known = redis.pcall('HMGET', key, 'count', 'prevTS', 'prevCount')
  local wrong = known.err and misfit(key, 'hash') or misfit(key .. ':data', 'list')
  if wrong then
    return pass_over(wrong)
  end
  local before, previous = tonumber(known[1]) or 0, tonumber(known[2])
  call('HSET', key, 'count', before + 1)
  if not previous then
    call('HSET', key, 'prevTS', now, 'prevCount', before)
    return
  end
  local minutes = math.min(size, math.floor(now / 60000) - math.floor(previous / 60000))
  if minutes < 1 then
    return
  end
  local data = key .. ':data'
  call('LPUSH', data, before - (tonumber(known[3]) or 0))
  for _ = 2, minutes do
    call('LPUSH', data, 0)
  end
  call('LTRIM', data, 0, size - 1)
  call('HSET', key, 'prevTS', now, 'prevCount', before)
end
