--- include sound
-- §4.5, of so many jobs finished at once: throughput by minute, newest first, at most `size` minutes; the present minute
-- is not in the list.
local function count_metrics(outcome, times, now, size)
  if times == 0 then
    return
  end
  local key = P .. 'metrics:' .. outcome
  local known = redis.pcall('HMGET', key, 'count', 'prevTS', 'prevCount')
  if known.err then
    return pass_over(misfit(key, 'hash'))
  end
  local before, previous = tonumber(known[1]) or 0, tonumber(known[2])
  local minutes = previous and math.min(size, math.floor(now / 60000) - math.floor(previous / 60000)) or 0
  if previous and minutes < 1 then
    call('HSET', key, 'count', before + times)
    return
  end
  local data = key .. ':data'
  local wrong = misfit(data, 'list')
  if wrong then
    return pass_over(wrong)
  end
  call('HSET', key, 'count', before + times, 'prevTS', now, 'prevCount', before)
  if minutes > 0 then
    call('LPUSH', data, before - (tonumber(known[3]) or 0))
    for _ = 2, minutes do
      call('LPUSH', data, 0)
    end
    call('LTRIM', data, 0, size - 1)
  end
end
