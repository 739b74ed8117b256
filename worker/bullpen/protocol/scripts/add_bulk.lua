-- Stores and places jobs (§2.3): what is left is what single adds in this order would leave, events in their order too.
--
-- KEYS[1] P
-- ARGV    for each of at most 1000 jobs: custom id or '' | name | data (JSON) | opts (JSON) | timestamp ms | delay ms |
--         priority | 1 = lifo
-- Reply   [id, 0 added, 1 a job of that custom id existed already, 2 deduplicated: the id is the owner's, ...]
--- include queue
call = redis.call
--- include sound
--- include enter

local WIDTH = 8
local jobs = #ARGV / WIDTH

-- What would end the call half-way is looked for before it begins.
sound('events', 'delayed', 'prioritized', 'marker', 'wait', 'paused')
local dedups = {}
for job = 1, jobs do
  dedups[job] = sound_dedup(ARGV[(job - 1) * WIDTH + 4]) or false
end

-- The two ends of the target list do not touch each other, so the jobs of each may join it at once when all is done.
local newest, front, ready = {}, {}, false

local function place(id, timestamp, delay, priority, lifo)
  if tonumber(delay) > 0 then
    return place_new(id, timestamp, delay, priority, false)
  end
  ready = true
  if tonumber(priority) > 0 then
    prioritize(id, tonumber(priority))
  else
    local joining = lifo == '1' and front or newest
    joining[#joining + 1] = id
  end
  call('XADD', P .. 'events', '*', 'event', 'waiting', 'jobId', id)
end

local counter = named('INCRBY', P .. 'id', jobs) - jobs -- the first write
local cap = event_cap()
local added = {}
for job = 1, jobs do
  local at = (job - 1) * WIDTH
  local id, how = enter(counter + job, dedups[job], unpack(ARGV, at + 1, at + 7))
  if how == 0 then
    place(id, unpack(ARGV, at + 5, at + 8))
  end
  added[2 * job - 1], added[2 * job] = id, how
end

if #newest > 0 then
  call('LPUSH', target, unpack(newest))
end
if #front > 0 then
  call('RPUSH', target, unpack(front))
end
if ready then
  mark_ready()
end
call('XTRIM', P .. 'events', 'MAXLEN', '~', cap)
return added
