--[[
  What one queue looks like at one moment. Read-only.

  KEYS[1]  P, the queue's key prefix "<prefix>:<queue>:"; every other key is built from it, so that a hash tag keeps them in one slot
  ARGV[1]  now, ms since the epoch
  ARGV[2]  horizons, ms from now, ascending, with commas between; in one word, because Redis ends the connection of a
           client without a password that sends more than ten, instead of telling it that one is wanted
  ARGV[3]  how many active jobs may be looked at for who runs them
  ARGV[4]  1: look even when nobody is to drain

  Reply: array of
    1 exists (0 or 1: meta or id is there)      7 failed
    2 paused (0 or 1)                           8 completed
    3 waiting (wait + paused + prioritized)     9 waiting for children
    4 due (delayed jobs whose time has come)   10 ms for which the limiter lets nothing start, or 0
    5 active                                   11 for each horizon: delayed jobs not due yet that are due by then
    6 delayed (the due ones included)
   12 global concurrency, or nil
   13 ms at which the next delayed job is due that is not due yet, or nil
   14 ms since which the oldest sampled job is ready, or nil
   15 ms since which the newest job is ready, or nil; jobs with a priority have no back of the queue to look at
   16 ids given out, or nil
   17 jobs finished since the queue exists (metrics), or nil
   18 jobs that may start within    19 so many ms, or nil
   20 ID of the newest entry of the event stream, "0-0" when it has none, or nil when it cannot be read
   21 ms since the epoch by the server's clock
   22 heartbeats: worker, JSON, worker, JSON ...
   23 drain marks in force: worker, ms left, worker, ms left ...
   24 who runs the active jobs: worker, jobs, worker, jobs ...; nil when nobody looked
   25 active jobs of which that could not be told

  bullmq-protocol.md §1.1 (keys), §1.5 (scores), §1.6 (meta), §3.1 (limiter), §4.5 (metrics), §7.5 (counts);
  scaling.md §2 (oldest ready), §6 (drain).
]]
local P = KEYS[1]
local now = tonumber(ARGV[1])

-- Score of a delayed job: due ms x 4096 + sequence. %.0f because %d and tostring lose digits above 2^31 and 2^46.
local first_not_due = string.format('%.0f', (now + 1) * 4096)
local BAND = 4294967296 -- priority score = priority x 2^32 + counter
local BANDS_PROBED = 8

local oldest, newest = nil, nil

local function consider(ms)
  if ms and (not oldest or ms < oldest) then
    oldest = ms
  end
  if ms and (not newest or ms > newest) then
    newest = ms
  end
end

-- The pause before the attempt that follows `made` failed ones, ms. Jitter only shortens it.
local function backoff_of(opts, made)
  local backoff = opts['backoff']
  if type(backoff) == 'number' then
    return backoff
  end
  if type(backoff) ~= 'table' or type(backoff['delay']) ~= 'number' then
    return 0
  end
  if backoff['type'] == 'exponential' and made > 1 then
    return backoff['delay'] * 2 ^ math.min(made - 1, 40)
  end
  return backoff['delay']
end

-- When a job in wait or prioritized became ready, ms: a retry keeps its creation time, so its last start is the lower bound.
local function ready_at(id)
  local job = redis.call('HMGET', P .. id, 'timestamp', 'opts', 'processedOn', 'atm')
  local created = tonumber(job[1] or nil)
  if not created then
    return nil
  end
  local decoded, opts = pcall(cjson.decode, job[2] or '{}')
  if not decoded or type(opts) ~= 'table' then
    opts = {}
  end
  local ready = created
  if type(opts['delay']) == 'number' then
    ready = created + opts['delay']
  end
  local started = tonumber(job[3] or nil)
  if started then
    ready = math.max(ready, started + backoff_of(opts, tonumber(job[4] or nil) or 0))
  end
  return ready
end

-- Both ends: workers take from the right, but LIFO jobs are put there too, and then the oldest is at the left.
local function sample_list(key)
  for _, range in ipairs({ { 0, 1 }, { -2, -1 } }) do
    for _, id in ipairs(redis.call('LRANGE', key, range[1], range[2])) do
      if string.sub(id, 1, 2) ~= '0:' then -- a marker of old clients, no job
        consider(ready_at(id))
      end
    end
  end
end

-- The oldest of a priority is the first of its band; the number of bands is open, so only the first few are looked at.
local function sample_priorities(key)
  local from = '-inf'
  for _ = 1, BANDS_PROBED do
    local first = redis.call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if not first[1] then
      return
    end
    consider(ready_at(first[1]))
    from = string.format('%.0f', (math.floor(tonumber(first[2]) / BAND) + 1) * BAND)
  end
end

local waiting_in_list = redis.call('LLEN', P .. 'wait')
local waiting_paused = redis.call('LLEN', P .. 'paused')
local prioritized = redis.call('ZCARD', P .. 'prioritized')
local delayed = redis.call('ZCARD', P .. 'delayed')

local due = 0
local next_due = nil
if delayed > 0 then
  due = redis.call('ZCOUNT', P .. 'delayed', '-inf', '(' .. first_not_due)
  if due > 0 then
    for _, rank in ipairs({ 0, due - 1 }) do
      local job = redis.call('ZRANGE', P .. 'delayed', rank, rank, 'WITHSCORES')
      consider(math.floor(tonumber(job[2]) / 4096))
    end
  end
  if due < delayed then
    local first = redis.call('ZRANGE', P .. 'delayed', due, due, 'WITHSCORES')
    next_due = math.floor(tonumber(first[2]) / 4096)
  end
end
if waiting_in_list > 0 then
  sample_list(P .. 'wait')
end
if waiting_paused > 0 then
  sample_list(P .. 'paused')
end
if prioritized > 0 then
  sample_priorities(P .. 'prioritized')
  newest = nil
end

local due_within = {}
for ahead in string.gmatch(ARGV[2], '%d+') do
  local soon = 0
  if due < delayed then
    local until_then = string.format('%.0f', (now + tonumber(ahead) + 1) * 4096)
    soon = redis.call('ZCOUNT', P .. 'delayed', first_not_due, '(' .. until_then)
  end
  table.insert(due_within, soon)
end

-- Counters are what others wrote: anything that is no whole number counts as missing.
local function whole(value)
  local number = tonumber(value or nil)
  if number and number == math.floor(number) and math.abs(number) < 2 ^ 53 then
    return number
  end
  return nil
end

local finished = nil
for _, kind in ipairs({ 'completed', 'failed' }) do
  local counted = whole(redis.call('HMGET', P .. 'metrics:' .. kind, 'count')[1])
  if counted then
    finished = (finished or 0) + counted
  end
end

local meta = redis.call('HMGET', P .. 'meta', 'paused', 'concurrency', 'max', 'duration')
local most, span = whole(meta[3]), whole(meta[4])

local limited = 0
local left = redis.call('PTTL', P .. 'limiter')
if left > 0 and (not most or (whole(redis.call('GET', P .. 'limiter')) or 0) >= most) then
  limited = left
end

-- Without it the queue has no doorbell, which is no reason to leave it unread.
local newest_event = false
local entries = redis.pcall('XREVRANGE', P .. 'events', '+', '-', 'COUNT', 1)
if not entries.err then
  newest_event = entries[1] and entries[1][1] or '0-0'
end

local time = redis.call('TIME')
local server_now = time[1] * 1000 + math.floor(time[2] / 1000)
local marks = {}
local stored = redis.call('HGETALL', P .. 'bullpen:drain')
for i = 1, #stored, 2 do
  local left = (tonumber(stored[i + 1]) or 0) - server_now
  if left > 0 then
    table.insert(marks, stored[i])
    table.insert(marks, left)
  end
end

local active = redis.call('LLEN', P .. 'active')

-- Who runs a job: its lock tells of our workers (<worker>:<start>:<number>), field pb of all that have a name. Looked at
-- in the same step as the marks: what a marked worker does not hold now, it cannot get as long as its mark holds.
local function workers_of_active()
  local jobs, unknown = {}, math.max(0, active - tonumber(ARGV[3]))
  for first = 0, math.min(active, tonumber(ARGV[3])) - 1, 1000 do
    local ids = redis.call('LRANGE', P .. 'active', first, math.min(first + 999, ARGV[3] - 1))
    local locks = {}
    for i, id in ipairs(ids) do
      locks[i] = P .. id .. ':lock'
    end
    local tokens = #ids > 0 and redis.call('MGET', unpack(locks)) or {}
    for i, id in ipairs(ids) do
      local worker = tokens[i] and string.match(tokens[i], '^(.+):[^:]*:%d+$') or redis.call('HGET', P .. id, 'pb')
      if worker and worker ~= '' then
        jobs[worker] = (jobs[worker] or 0) + 1
      else
        unknown = unknown + 1
      end
    end
  end
  local flat = {}
  for worker, count in pairs(jobs) do
    table.insert(flat, worker)
    table.insert(flat, count)
  end
  return flat, unknown
end

local running, unknown = false, 0
if #marks > 0 or ARGV[4] == '1' then
  running, unknown = workers_of_active()
end

return {
  redis.call('EXISTS', P .. 'meta', P .. 'id') > 0 and 1 or 0,
  meta[1] and 1 or 0,
  waiting_in_list + waiting_paused + prioritized,
  due,
  active,
  delayed,
  redis.call('ZCARD', P .. 'failed'),
  redis.call('ZCARD', P .. 'completed'),
  redis.call('ZCARD', P .. 'waiting-children'),
  limited,
  due_within,
  tonumber(meta[2] or nil) or false,
  next_due or false,
  oldest or false,
  newest or false,
  whole(redis.call('GET', P .. 'id')) or false,
  finished or false,
  most or false,
  span or false,
  newest_event,
  server_now,
  redis.call('HGETALL', P .. 'bullpen:workers'),
  marks,
  running,
  unknown,
}
