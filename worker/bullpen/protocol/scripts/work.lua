-- Finishes jobs in the order given, then promotes due jobs once, then claims one job for each token (§3.1, §4.1).
-- With one finish and one token this is BullMQ's finish with fetch-next (§4.7), with a new token for the new job.
--
-- KEYS[1] P
-- ARGV    now ms | lock ms | worker name or '' | worker limiter max or '' | its duration ms or '' |
--         minutes of metrics, 0 = none | instance whose drain mark is heeded or '' | n | n tokens |
--         then for each finish: id | token | completed/failed | value | keep `count,age,limit` or '' | attempts |
--         number of arguments that follow for it | field, value, ...
--         That number is odd when jobs are to be added with the finish. Then the first that follow are: how many |
--         for each: P of its queue, in the same slot | id | name | data (JSON) | opts (JSON) | timestamp ms
-- Reply   [status of each finish] | [[id, starts, hash before the start] ...] | ms until a rate limit ends, else 0 |
--         due ms of the earliest delayed job when the queue is empty, else 0 | 1 when paused or at its concurrency |
--         [what is damaged and was passed over: sentences that name the key ...] |
--         ms until the drain mark of the instance ends, else 0: then nothing was claimed
--- include queue
call = redis.call
--- include sound_work
--- include promote
--- include finish
--- include claim
--- include drain_mark

sound_work()
local now = tonumber(ARGV[1])
local metrics = tonumber(ARGV[6])
local wanted = tonumber(ARGV[8])

local places, at = {}, 9 + wanted
while at <= #ARGV do
  places[#places + 1] = at
  at = at + 7 + tonumber(ARGV[at + 6])
end
local statuses, finished = finish_all(places, ARGV[1], metrics)

if wanted == 0 then
  if finished then
    announce_drained()
  end
  return { statuses, {}, 0, 0, 0, troubles, 0 }
end

promote(now)

local marked = drain_mark(ARGV[7])
if marked > 0 then
  if finished then
    announce_drained()
  end
  -- The marker that woke this worker belongs to another one now.
  mark_ready()
  return { statuses, {}, 0, 0, 0, troubles, marked }
end

local max = tonumber(meta[3] or ARGV[4])
local duration = tonumber(ARGV[5]) or tonumber(meta[4])
local claims, limited, halted, empty = {}, 0, 0, false
while #claims < wanted and not empty do
  local room = wanted - #claims
  if max then
    local free, left = limiter_room(max)
    if free <= 0 then
      limited = left
      break
    end
    room = math.min(room, math.ceil(free)) -- whatever stands in meta
  end
  if paused then
    halted = 1
    break
  end
  if concurrency then
    local free = concurrency - call('LLEN', P .. 'active')
    if free <= 0 then
      halted = 1
      break
    end
    room = math.min(room, math.ceil(free)) -- whatever stands in meta
  end
  local ids = take(room)
  empty = #ids < room
  local counted = 0
  for _, id in ipairs(ids) do
    local claim, deferred = start(id, ARGV[9 + #claims], ARGV[2], ARGV[3], ARGV[1])
    claims[#claims + 1] = claim -- none for what is no job
    if claim and not deferred then -- §12: a job that only has to be failed takes no place in the window
      counted = counted + 1
    end
  end
  if max then
    count_started(counted, duration)
  end
end

if #claims > 0 then
  call('ZADD', P .. 'marker', 0, '0') -- wakes the next idle worker
end
local due = 0
if empty then
  local head = call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')
  -- What a reply can say as an integer; a later time is none that a clock will show.
  due = head[2] and math.floor(math.max(0, math.min(tonumber(head[2]) / 4096, 2 ^ 53))) or 0
  if finished and #claims == 0 and due == 0 then
    announce_drained()
  end
end
return { statuses, claims, limited, due, halted, troubles, 0 }
