--- include marker
-- §1.5: due ms x 4096 + a sequence among the jobs of that ms, 4095 at most.
local function place_delayed(id, due, queue)
  local delayed = (queue or here).base .. 'delayed'
  local first = due * 4096
  local last = call('ZREVRANGEBYSCORE', delayed, first + 4095, first, 'WITHSCORES', 'LIMIT', 0, 1)
  local score = first
  if last[2] then
    score = math.min(tonumber(last[2]) + 1, first + 4095)
  end
  call('ZADD', delayed, score, id)
end

-- A due time as text: Lua's own conversion keeps 14 digits only.
local function whole(number)
  return string.format('%.0f', number)
end
