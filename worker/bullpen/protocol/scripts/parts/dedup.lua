--- include sound
-- A job's options; none when they are no JSON object: a script that fails half way would be worse.
local function decoded(opts)
  local readable, options = pcall(cjson.decode, opts or '{}')
  return readable and type(options) == 'table' and options or {}
end

-- The deduplication options among a job's (§1.4 `de`), nil when it has none.
local function dedup_options(opts)
  if not string.find(opts, '"de":', 1, true) then -- spares nearly every add the decoding
    return nil
  end
  local stored = decoded(opts).de
  if type(stored) ~= 'table' or type(stored.id) ~= 'string' then
    return nil
  end
  local ttl = tonumber(stored.ttl)
  return {
    id = stored.id,
    -- Redis refuses expiries below 1 ms and beyond its clock, and the others only as whole numbers.
    ttl = ttl and ttl >= 1 and string.format('%.0f', math.min(math.floor(ttl), 2 ^ 52)) or nil,
    extend = stored.extend == true,
    replace = stored.replace == true,
    keep_last = stored.keepLastIfActive == true,
    reschedule = stored.reschedule == true,
  }
end

-- §2.5: the deduplication id is this job's, for its ttl; with keepLastIfActive until the job is finished.
local function own_dedup(de, id)
  if de.ttl and not de.keep_last then
    call('SET', P .. 'de:' .. de.id, id, 'PX', de.ttl)
  else
    call('SET', P .. 'de:' .. de.id, id)
  end
end

-- Whether the id of a job stands there, or nothing: GET on anything else ends the script.
local function sound_owner(dedup)
  return not misfit(P .. 'de:' .. dedup, 'string')
end

-- §4.6: a deduplication id without expiry is free again when its owner is finished; one with expiry lasts as long as
-- that.
local function free_dedup(id, dedup)
  local key = P .. 'de:' .. dedup
  local left = call('PTTL', key)
  if left == 0 or (left == -1 and sound_owner(dedup) and call('GET', key) == id) then
    call('DEL', key)
  end
end

-- §7.4: a job that is removed takes its deduplication id and the stored next job with it, whatever their expiry.
-- To be called before the job's hash is deleted.
local function drop_dedup(id)
  local dedup = call('HGET', P .. id, 'deid')
  if dedup and sound_owner(dedup) and call('GET', P .. 'de:' .. dedup) == id then
    call('DEL', P .. 'de:' .. dedup, P .. 'dn:' .. dedup)
  end
end
