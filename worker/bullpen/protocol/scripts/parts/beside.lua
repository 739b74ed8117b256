--- include sound
--- include store
-- A job on another queue of the same slot, added with what happens here: whatever is wrong there is told, and holds up
-- nothing here. A job of that id that exists already stays as it is (§2.4). None is added for one that stands among those that are `gone`.
local looked_at = {}
local function add_beside(base, id, name, data, opts, timestamp, gone, told)
  if type(redis.pcall('ZSCORE', gone, told)) == 'string' then
    return
  end
  local wrong = not looked_at[base] and (misfit(base .. 'meta', 'hash') or queue_misfit(base)) or misfit(base .. id, 'hash')
  if wrong then
    return pass_over(wrong .. ' (' .. id .. ' was not added)')
  end
  looked_at[base] = true
  local queue = queue_at(base)
  if type(redis.pcall('INCR', base .. 'id')) == 'table' then -- §1.5: every add counts, also one that brings its id
    pass_over('ERR ' .. base .. 'id is no number: correct it')
  end
  local cap = event_cap(queue)
  if call('EXISTS', base .. id) == 1 then
    call('XADD', base .. 'events', 'MAXLEN', '~', cap, '*', 'event', 'duplicated', 'jobId', id)
    return
  end
  store_job_in(base, id, name, data, opts, timestamp, 0, 0)
  place_new(id, timestamp, 0, 0, false, queue)
end
