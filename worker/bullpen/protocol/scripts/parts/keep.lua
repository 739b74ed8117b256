--- include queue
-- §1.2: what "delete the job" means. The lock is not part of it.
local function delete_job(id)
  local job = P .. id
  call('DEL', job, job .. ':logs', job .. ':dependencies', job .. ':processed', job .. ':failed',
    job .. ':unsuccessful')
end

-- §4.3: pruning of a finished set after `now`; emits nothing.
local function prune(set, now, count, age, limit)
  if age then
    local old = call('ZREVRANGEBYSCORE', set, now - age * 1000, '-inf', 'LIMIT', 0, limit or 1000)
    for _, id in ipairs(old) do
      delete_job(id)
      call('ZREM', set, id)
    end
  end
  if count and count > 0 then
    for _, id in ipairs(call('ZREVRANGE', set, count, -1)) do
      delete_job(id)
    end
    call('ZREMRANGEBYRANK', set, 0, -(count + 1))
  end
end
