--- include queue
-- §4.6: a deduplication id without expiry is free again when its owner is finished; one with expiry lasts as long as it.
local function free_dedup(id, dedup)
  local key = P .. 'de:' .. dedup
  local left = call('PTTL', key)
  if left == 0 or (left == -1 and call('GET', key) == id) then
    call('DEL', key)
  end
end

-- §7.4: a job that is removed takes its deduplication id and the stored next job with it, whatever their expiry.
-- To be called before the job's hash is deleted.
local function drop_dedup(id)
  local dedup = call('HGET', P .. id, 'deid')
  if dedup and call('GET', P .. 'de:' .. dedup) == id then
    call('DEL', P .. 'de:' .. dedup, P .. 'dn:' .. dedup)
  end
end
