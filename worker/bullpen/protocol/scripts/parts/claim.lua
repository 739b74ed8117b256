--- include meta
--- include sound
--- include lock
-- §3.1 step 5: up to `wanted` ids leave their queue for active in service order.
local function take(wanted)
  local ids = {}
  while #ids < wanted do
    local popped = call('RPOP', P .. 'wait', wanted - #ids)
    if not popped then
      break
    end
    for _, id in ipairs(popped) do
      if string.sub(id, 1, 2) ~= '0:' then -- §1.1: a marker that an old client left in the list
        ids[#ids + 1] = id
      end
    end
  end
  if #ids < wanted then
    local popped = call('ZPOPMIN', P .. 'prioritized', wanted - #ids)
    for i = 1, #popped, 2 do
      ids[#ids + 1] = popped[i]
    end
    if #ids < wanted then
      call('DEL', P .. 'pc')
    end
  end
  if #ids > 0 then
    call('LPUSH', P .. 'active', unpack(ids))
  end
  return ids
end

-- An id that was queued, and what stands under it is no record: there is no job to be had. Its waiters are told.
local function give_up(id, wrong)
  leave_active(id)
  call('XADD', P .. 'events', '*', 'event', 'failed', 'jobId', id, 'failedReason', wrong, 'prev', 'active')
  pass_over(wrong)
end

-- §3.1 step 6 of one job. Returns what the reply says of it: id, starts, its hash from before this start.
local function start(id, token, lock_ms, worker, now)
  local job = P .. id
  local hash = redis.pcall('HGETALL', job)
  if hash.err then
    return give_up(id, misfit(job, 'hash'))
  end
  call('SET', job .. ':lock', token, 'PX', lock_ms)
  call('XADD', P .. 'events', '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
  local starts, deferred = 1, false
  for i = 1, #hash, 2 do
    if hash[i] == 'ats' then
      starts = (tonumber(hash[i + 1]) or 0) + 1
    elseif hash[i] == 'defa' then
      deferred = true
    end
  end
  local times = starts == 1 and '1' or starts -- Redis prints numbers slowly
  if worker == '' then
    call('HSET', job, 'processedOn', now, 'ats', times)
  else
    call('HSET', job, 'processedOn', now, 'ats', times, 'pb', worker)
  end
  return { id, starts, hash }, deferred
end

-- The counter of the window; what is no number is none, and the window begins anew.
local function limit_used()
  local counter = P .. 'limiter'
  local used = redis.pcall('GET', counter)
  if used and (type(used) == 'table' or #used > 18 or not string.find(used, '^%d+$')) then
    call('DEL', counter)
    pass_over('ERR ' .. counter .. ' was no number: the rate limit begins anew')
    return 0
  end
  return tonumber(used or 0)
end

-- §3.1 step 3: how many more may start in this window; when none, the ms until it ends.
local function limiter_room(max)
  local started = limit_used()
  if started < max then
    return max - started
  end
  local left = call('PTTL', P .. 'limiter')
  if left > 0 then
    return 0, left
  end
  if left == 0 then
    call('DEL', P .. 'limiter')
    return max
  end
  return math.huge -- a counter without expiry limits nothing
end

local function count_started(started, duration)
  if started > 0 and call('INCRBY', P .. 'limiter', started) == started and duration and duration > 0 then
    call('PEXPIRE', P .. 'limiter', math.floor(duration))
  end
end
