--- include queue
-- Ours: ms for which this worker is told not to claim, by the server's clock; 0 when it is not. Most queues have no mark,
-- and then this is one look at a key that does not exist.
local function drain_mark(instance)
  local lease = instance ~= '' and redis.pcall('HGET', P .. 'bullpen:drain', instance)
  lease = type(lease) == 'string' and tonumber(lease)
  if not lease then
    return 0
  end
  local time = redis.call('TIME')
  return math.max(0, math.floor(lease - time[1] * 1000 - time[2] / 1000))
end
