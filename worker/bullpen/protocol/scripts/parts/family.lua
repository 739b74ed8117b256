--- include sound
--- include erase
--- include ready
--- include delayed
-- §1.5: a full job key's queue (all that comes before the id) and id.
local function split_key(key)
  return string.match(key, '^(.-)([^:]*)$')
end

-- What would end a script that looks at the children of a job, by its full key; nil when nothing would.
local function children_misfit(job)
  return misfit(job .. ':dependencies', 'set') or misfit(job .. ':processed', 'hash')
    or misfit(job .. ':failed', 'hash') or misfit(job .. ':unsuccessful', 'zset')
end

-- What would end a script that tells a parent of its child, nil when nothing would. `parent` is a full key.
local checked = {}
local function parent_misfit(parent)
  local base = split_key(parent)
  if checked[base] == nil then
    checked[base] = misfit(base .. 'meta', 'hash') or queue_misfit(base) or false
  end
  return checked[base] or misfit(parent, 'hash') or children_misfit(parent)
end

-- Ends the script when the parent of this job could not be told of it.
local function sound_parent(id)
  local parent = call('HGET', P .. id, 'parentKey')
  refuse(parent and parent_misfit(parent))
end

-- Takes a parent out of waiting-children; whether it was there.
local function leave_waiting_children(base, id)
  return call('EXISTS', base .. id) == 1 and call('ZREM', base .. 'waiting-children', id) == 1
end

-- A parent that left waiting-children goes to the front of its queue; by its `priority`, if it is to be heeded.
local function make_ready(base, id, priority)
  place_ready(id, priority or 0, true, queue_at(base))
  call('XADD', base .. 'events', '*', 'event', 'waiting', 'jobId', id, 'prev', 'waiting-children')
end

-- §9.3, second half: where a parent goes that left waiting-children. Its delay begins now, always with sequence 0.
local function resume_parent(base, id, now)
  local delay, priority = unpack(call('HMGET', base .. id, 'delay', 'priority'))
  delay = tonumber(delay) or 0
  if delay > 0 then
    local due = now + delay
    call('ZADD', base .. 'delayed', due * 4096, id)
    call('XADD', base .. 'events', '*', 'event', 'delayed', 'jobId', id, 'delay', whole(due))
    mark_delayed(queue_at(base))
  else
    make_ready(base, id, tonumber(priority))
  end
end

-- §9.3: a parent that waits for nothing any more goes on in its own queue, by its delay or priority.
local function release_parent(base, id, now)
  if leave_waiting_children(base, id) then
    resume_parent(base, id, now)
  end
end

-- §9.4: a child is about to be deleted. A parent that waited for it alone goes on, whatever its delay or priority;
-- with `hard`, it is deleted too when it is of this queue. To be called while the child's hash exists.
local function leave_family(id, hard)
  local parent = redis.pcall('HGET', P .. id, 'parentKey')
  local wrong = type(parent) == 'string' and parent_misfit(parent)
  if wrong then
    return pass_over(wrong)
  end
  if type(parent) ~= 'string' or call('SREM', parent .. ':dependencies', P .. id) == 0
    or call('EXISTS', parent .. ':dependencies') == 1 then
    return
  end
  local base, parent_id = split_key(parent)
  if not leave_waiting_children(base, parent_id) then
    return
  end
  if not hard then
    make_ready(base, parent_id)
  elseif base == P then
    leave_family(parent_id, true)
    delete_job(parent_id)
  else
    place_ready(parent_id, 0, true, queue_at(base))
  end
end
