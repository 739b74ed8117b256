--- include family
--- include dedup
--- include iteration
--- include record
-- Ids leave a list or sorted set where `goes(id)` says so. Looked at: up to `room` of them in the order of service,
-- after the first `kept`. Returns those that left, and how many were looked at.

-- A list: what leaves is overwritten and then removed at once, since a removal by id searches the whole list.
local function sweep_list(key, kept, room, goes)
  local ids, gone, places = call('LRANGE', key, -kept - room, -kept - 1), {}, {}
  for i = #ids, 1, -1 do
    if goes(ids[i]) then
      gone[#gone + 1] = ids[i]
      places[#places + 1] = i - #ids - 1 - kept
    end
  end
  if kept == 0 and #gone == #ids then
    call('LTRIM', key, 0, -#ids - 1)
  elseif #gone > 0 then
    for _, place in ipairs(places) do
      call('LSET', key, place, '')
    end
    call('LREM', key, -#gone, '')
  end
  return gone, #ids
end

local function sweep_sorted(key, kept, room, goes)
  local ids, gone = call('ZRANGE', key, kept, kept + room - 1), {}
  for _, id in ipairs(ids) do
    if goes(id) then
      gone[#gone + 1] = id
    end
  end
  for i = 1, #gone, 1000 do
    call('ZREM', key, unpack(gone, i, math.min(i + 999, #gone)))
  end
  return gone, #ids
end

local LISTS = { wait = true, paused = true, active = true }

local function sweep(state, kept, room, goes)
  return (LISTS[state] and sweep_list or sweep_sorted)(P .. state, kept, room, goes)
end

-- §7.4, clean, drain and obliterate: a job goes with its deduplication id, and by the hard rule of §9.4.
local function discard(id)
  if has_record(id) then
    drop_dedup(id)
    leave_family(id, true)
  end
  delete_job(id)
end
