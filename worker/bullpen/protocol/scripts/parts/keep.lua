--- include family
-- §4.3: pruning of a finished set after `now`; emits nothing of the pruned.
local function prune_job(id)
  leave_family(id, false)
  delete_job(id)
end

local function prune(set, now, count, age, limit)
  if age then
    local old = call('ZREVRANGEBYSCORE', set, now - age * 1000, '-inf', 'LIMIT', 0, limit or 1000)
    for _, id in ipairs(old) do
      prune_job(id)
      call('ZREM', set, id)
    end
  end
  if count and count > 0 then
    for _, id in ipairs(call('ZREVRANGE', set, count, -1)) do
      prune_job(id)
    end
    call('ZREMRANGEBYRANK', set, 0, -(count + 1))
  end
end
