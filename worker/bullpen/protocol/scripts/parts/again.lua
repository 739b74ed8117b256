--- include ready
--- include family
-- §7.1, §7.2: what a finished job loses that is to run again; its stack traces stay.
local function forget_end(id, state)
  call('HDEL', P .. id, 'finishedOn', 'processedOn', state == 'completed' and 'returnvalue' or 'failedReason',
    'bp:cause')
end

-- A parent that was told of the job's end waits for it again; where the parent is by now does not change.
local function rejoin_parent(id)
  local parent = call('HGET', P .. id, 'parentKey')
  if not parent or call('EXISTS', parent) == 0 then
    return
  end
  local wrong = parent_misfit(parent)
  if wrong then
    return pass_over(wrong)
  end
  local child = P .. id
  local told = call('HDEL', parent .. ':processed', child) + call('ZREM', parent .. ':unsuccessful', child)
    + call('HDEL', parent .. ':failed', child)
  if told > 0 then
    call('SADD', parent .. ':dependencies', child)
  end
end
