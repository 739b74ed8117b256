--- include family
-- §4.4: the child's word on what its failure means to its parent. Any producer may have written it.
local function flags_of(text)
  local readable, flags = pcall(cjson.decode, text or '{}')
  flags = readable and type(flags) == 'table' and flags or {}
  for _, flag in ipairs({ 'fpof', 'cpof', 'idof', 'rdof' }) do
    flags[flag] = flags[flag] == true -- JSON's null is something in Lua
  end
  return flags
end

-- §4.4, fpof: the parent's next worker will fail it unrun. One that waits for children or is delayed goes there now.
local function doom_parent(parent, child, now)
  local base, id = split_key(parent)
  if call('EXISTS', parent) == 0 or call('ZSCORE', base .. 'failed', id) then
    return
  end
  call('HSET', parent, 'defa', 'child ' .. child .. ' failed')
  if call('ZREM', base .. 'delayed', id) == 1 then
    call('HSET', parent, 'delay', 0)
  elseif call('ZREM', base .. 'waiting-children', id) == 0 then
    return
  end
  resume_parent(base, id, now)
end

-- §4.4: a job that has a parent ended. `child` and `parent` are full keys, `family` the child's `parent` field.
local function tell_parent(child, parent, family, outcome, value, now)
  local flags = outcome == 'failed' and flags_of(family) or nil
  if flags and not (flags.fpof or flags.cpof or flags.idof or flags.rdof) then
    return -- the parent goes on waiting for it
  end
  local pending = parent .. ':dependencies'
  if call('SREM', pending, child) == 0 then
    return
  end
  if not flags then
    call('HSET', parent .. ':processed', child, value)
  elseif flags.fpof then
    call('ZADD', parent .. ':unsuccessful', now, child)
    return doom_parent(parent, child, now)
  elseif flags.cpof or flags.idof then
    call('HSET', parent .. ':failed', child, value)
  end
  if (flags and flags.cpof) or call('EXISTS', pending) == 0 then
    local base, id = split_key(parent)
    release_parent(base, id, now)
  end
end
