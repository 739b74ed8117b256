-- Adds jobs of a flow, each parent before its children, or a child to a parent there is (§9.1, §9.2, §2.4): all or
-- none. Parents of the flow are released at the end, or a child that completed before would start them early (§12).
--
-- KEYS[1] P of the first job
-- ARGV    now ms | then for each job: P of its queue | id or '' | name | data (JSON) | opts (JSON) | timestamp ms |
--         delay ms | priority | 1 = lifo | 1 = has children | key of its parent or '' | its `parent` (JSON) or ''
-- Reply   [id, 1 when a job of that id existed already, else 0, ...], or nothing was added: [-5 the parent does not
--         exist, -7 the job has another parent | which job, 0 = the first | key of that parent]
--- include store
--- include family

local WIDTH = 12
local now = tonumber(ARGV[1])

local members = {} -- keys of the jobs of this call

local sound_at = {}
local function sound_place(base)
  if not sound_at[base] then
    refuse(misfit(base .. 'meta', 'hash') or queue_misfit(base))
    sound_counter(base .. 'id')
    sound_at[base] = true
  end
end

local function refusal()
  for at = 2, #ARGV, WIDTH do
    local job, parent = ARGV[at] .. ARGV[at + 1], ARGV[at + 10]
    members[job] = true
    sound_place(ARGV[at])
    refuse(ARGV[at + 1] ~= '' and parent_misfit(job))
    if parent ~= '' then
      if not members[parent] and call('EXISTS', parent) == 0 then
        return { -5, (at - 2) / WIDTH, parent }
      end
      refuse(parent_misfit(parent))
      local other = ARGV[at + 1] ~= '' and call('HGET', job, 'parentKey')
      if other and other ~= parent and call('EXISTS', other) == 1 then
        call('INCR', ARGV[at] .. 'id') -- §1.5: this add has reached the server
        return { -7, (at - 2) / WIDTH, other }
      end
    end
  end
end

local function release_idle(parent)
  if call('EXISTS', parent .. ':dependencies') == 0 then
    local base, id = split_key(parent)
    release_parent(base, id, now)
  end
end

-- §2.4: a job there is gets this parent; a dead one before it does not count (§12).
local function adopt(base, id, parent, family)
  if call('ZSCORE', base .. 'completed', id) then
    call('HSET', parent .. ':processed', base .. id, call('HGET', base .. id, 'returnvalue') or 'null')
  else
    call('SADD', parent .. ':dependencies', base .. id)
  end
  if not members[parent] then
    release_idle(parent)
  end
  call('HSET', base .. id, 'parentKey', parent, 'parent', family)
end

local function place(queue, id, timestamp, delay, priority, front, has_children)
  if has_children then
    local events = queue.base .. 'events'
    call('ZADD', queue.base .. 'waiting-children', timestamp, id)
    call('XADD', events, 'MAXLEN', '~', event_cap(queue), '*', 'event', 'waiting-children', 'jobId', id)
  else
    place_new(id, timestamp, delay, priority, front, queue)
  end
end

local function add(base, id, name, data, opts, timestamp, delay, priority, lifo, has_children, parent, family)
  local queue = queue_at(base)
  local counter, cap = call('INCR', base .. 'id'), event_cap(queue)
  if id == '' then
    id = whole(counter)
  elseif call('EXISTS', base .. id) == 1 then
    if parent ~= '' then
      adopt(base, id, parent, family)
    end
    call('XADD', base .. 'events', 'MAXLEN', '~', cap, '*', 'event', 'duplicated', 'jobId', id)
    return id, 1
  end
  if parent == '' then
    store_job_in(base, id, name, data, opts, timestamp, delay, priority)
  else
    store_job_in(base, id, name, data, opts, timestamp, delay, priority, 'parentKey', parent, 'parent', family)
    call('SADD', parent .. ':dependencies', base .. id)
  end
  place(queue, id, timestamp, delay, priority, lifo == '1', has_children == '1')
  return id, 0
end

local refused = refusal()
if refused then
  return refused
end
local added = {}
for at = 2, #ARGV, WIDTH do
  added[#added + 1], added[#added + 2] = add(unpack(ARGV, at, at + WIDTH - 1))
end
for at = 2, #ARGV, WIDTH do
  if ARGV[at + 9] == '1' then
    release_idle(ARGV[at] .. ARGV[at + 1])
  end
end
return added
