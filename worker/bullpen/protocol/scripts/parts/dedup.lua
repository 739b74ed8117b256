--- include queue
-- §4.6: a deduplication id without expiry is free again when its owner is finished; one with expiry lasts as long as it.
local function free_dedup(id, dedup)
  local key = P .. 'de:' .. dedup
  local left = call('PTTL', key)
  if left == 0 or (left == -1 and call('GET', key) == id) then
    call('DEL', key)
  end
end
