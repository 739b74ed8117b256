--- include meta
--- include sound
--- include lock
--- include erase
--- include metrics
-- What few jobs need. It is made for the first of them: in Redis a Lua function costs about as much as a small command.
local function rarities()
--- include dedup_next
--- include keep
--- include parent
--- include beside
  return {
    free_dedup = free_dedup,
    store_next = store_next,
    tell_parent = tell_parent,
    leave_family = leave_family,
    parent_misfit = parent_misfit,
    prune = prune,
    add_beside = add_beside,
  }
end
local rare

-- Of the finishes looked at together: who owns their locks, and whether none of them has or had children to answer for.
local owners, childless = {}, false
-- Done at once for many jobs, before anything could notice: locks that are no more, and members of the finished sets.
local unlocked, unmarked, ended = {}, {}, { completed = {}, failed = {} }
local released, counted = {}, { completed = 0, failed = 0 }
-- The list of active as it stood, and how often each id stands there still: nil when it is long beside the finishes,
-- or has been written since. To take many jobs out of a list, writing the rest anew costs least.
local actives, standing

local function look_up(places, first, last)
  local finishes = last - first + 1
  if finishes > 3 and call('LLEN', P .. 'active') <= 3 * finishes then
    actives, standing = call('LRANGE', P .. 'active', 0, -1), {}
    for _, id in ipairs(actives) do
      standing[id] = (standing[id] or 0) + 1
    end
  end
  local locks, families = {}, {}
  for i = first, last do
    local job = P .. ARGV[places[i]]
    locks[#locks + 1] = job .. ':lock'
    if ARGV[places[i] + 2] == 'completed' then
      families[#families + 1] = job .. ':dependencies'
      families[#families + 1] = job .. ':unsuccessful'
    end
  end
  owners = call('MGET', unpack(locks))
  childless = #families == 0 or call('EXISTS', unpack(families)) == 0
end

-- Of an id that stands there twice the first one has left, as `leave_active` does it.
local function write_active()
  local staying = {}
  for i = #actives, 1, -1 do
    local id = actives[i]
    if standing[id] > 0 then
      standing[id] = standing[id] - 1
      staying[#staying + 1] = id
    end
  end
  if #staying < #actives then
    call('DEL', P .. 'active')
    if #staying > 0 then
      call('LPUSH', P .. 'active', unpack(staying))
    end
  end
  actives, standing = nil, nil
end

local function leave_among(id)
  if not standing then
    return leave_active(id)
  end
  local times = standing[id] or 0
  standing[id] = times - 1
  return times > 0
end

local function settle()
  if actives then
    write_active()
  end
  if #unlocked > 0 then
    call('DEL', unpack(unlocked))
    call('SREM', P .. 'stalled', unpack(unmarked))
    unlocked, unmarked = {}, {}
  end
  for outcome, members in pairs(ended) do
    if #members > 0 then
      call('ZADD', P .. outcome, unpack(members))
      ended[outcome] = {}
    end
  end
end

-- §4.1 step 3, of the finish looked up as the `nth`.
local function give_up_lock(nth, id, token)
  local owner = not released[id] and owners[nth]
  if owner ~= token then
    return owner and -6 or -2
  end
  released[id] = true
  unlocked[#unlocked + 1], unmarked[#unmarked + 1] = P .. id .. ':lock', id
  return 0
end

local function note_end(id, outcome, value, now, made)
  local field = outcome == 'completed' and 'returnvalue' or 'failedReason'
  call('HSET', P .. id, field, value, 'finishedOn', now, 'atm', made)
  local members = ended[outcome]
  members[#members + 1], members[#members + 2] = now, id
end

-- §4.1 steps 7, 8 and 10 of a job that is deduplicated, has a parent or may be removed.
local function finish_rare(id, outcome, value, keep, now, made, dedup, parent, flags)
  settle()
  rare = rare or rarities()
  if dedup then
    rare.free_dedup(id, dedup)
    rare.store_next(dedup, now)
  end
  local wrong = parent and rare.parent_misfit(parent)
  if wrong then
    pass_over(wrong)
  elseif parent then
    rare.tell_parent(P .. id, parent, flags, outcome, value, now)
  end
  childless = false -- any of that may concern a job that is finished next
  if keep == '' then
    return note_end(id, outcome, value, now, made)
  end
  local count, age, limit = string.match(keep, '^(-?[%d.]*),(-?[%d.]*),(-?[%d.]*)$')
  count, age, limit = tonumber(count), tonumber(age), tonumber(limit)
  if count == 0 then
    if parent and not wrong then
      rare.leave_family(id, false)
    end
    delete_job(id)
  else
    note_end(id, outcome, value, now, made)
    settle()
    rare.prune(P .. outcome, now, count, age, limit)
  end
end

-- §4.1 of one job, looked up as the `nth`; its arguments begin at `at`. `keep` is `count,age,limit` or empty, `trim`
-- whether this is the first finish of the call: the stream is trimmed once.
local function finish(nth, at, now, trim)
  local id, token, outcome, value, keep = unpack(ARGV, at, at + 4)
  local job = P .. id
  local made, name, dedup, parent, flags =
    unpack(redis.pcall('HMGET', job, 'atm', 'name', 'deid', 'parentKey', 'parent'))
  if not name and misfit(job, 'hash') then -- something else stands there: the job is gone
    pass_over(misfit(job, 'hash'))
    return -1
  end
  if not name and call('EXISTS', job) == 0 then
    return -1
  end
  if outcome == 'completed' and not childless
    and call('EXISTS', job .. ':dependencies', job .. ':unsuccessful') > 0 then
    return call('EXISTS', job .. ':dependencies') == 1 and -4 or -9
  end
  local refused = give_up_lock(nth, id, token)
  if refused < 0 then
    return refused
  end
  local first, last, additions = at + 7, at + 6 + tonumber(ARGV[at + 6]), 0
  if (last - first) % 2 == 0 then -- an odd number of arguments
    additions = tonumber(ARGV[first])
    first = first + 1 + 8 * additions
  end
  if first < last then
    call('HSET', job, unpack(ARGV, first, last))
  end
  if not leave_among(id) then
    return -3
  end

  made = (tonumber(made) or 0) + 1
  made = made == 1 and '1' or made -- Redis prints numbers slowly
  if dedup or parent or keep ~= '' then
    finish_rare(id, outcome, value, keep, now, made, dedup, parent, flags)
  else
    note_end(id, outcome, value, now, made)
  end

  local events, field = P .. 'events', outcome == 'completed' and 'returnvalue' or 'failedReason'
  if trim then
    call('XADD', events, 'MAXLEN', '~', event_cap(), '*', 'event', outcome, 'jobId', id, field, value, 'prev', 'active')
  else
    call('XADD', events, '*', 'event', outcome, 'jobId', id, field, value, 'prev', 'active')
  end
  if outcome == 'failed' then
    call('HDEL', job, 'defa')
    if tonumber(made) >= tonumber(ARGV[at + 5]) then
      call('XADD', events, '*', 'event', 'retries-exhausted', 'jobId', id, 'attemptsMade', made)
    end
  end
  counted[outcome] = counted[outcome] + 1
  if additions > 0 then
    rare = rare or rarities()
    for i = 0, additions - 1 do
      rare.add_beside(unpack(ARGV, at + 8 + 8 * i, at + 15 + 8 * i))
    end
  end
  return 0
end

-- Finishes in order, at `now` (ms, as text), the jobs whose arguments begin at these places; the status of each, and whether any was finished.
local function finish_all(places, now, metrics)
  local statuses, finished = {}, false
  for first = 1, #places, 1000 do -- as many as Lua's stack takes
    local last = math.min(first + 999, #places)
    look_up(places, first, last)
    for i = first, last do
      statuses[i] = finish(i - first + 1, places[i], now, not finished)
      finished = finished or statuses[i] == 0
    end
    settle()
  end
  if metrics > 0 then
    for outcome, times in pairs(counted) do
      count_metrics(outcome, times, tonumber(now), metrics)
    end
  end
  return statuses, finished
end

-- §4.8
local function announce_drained()
  if call('EXISTS', P .. 'wait', P .. 'active', P .. 'prioritized') == 0 then
    call('XADD', P .. 'events', '*', 'event', 'drained')
  end
end
