--- include store
--- include dedup
-- §4.6: what was added last while the finished job was active (keepLastIfActive) is a job of its own now.
local function store_next(dedup, now)
  local stored = P .. 'dn:' .. dedup
  if call('TYPE', stored)['ok'] ~= 'hash' then -- nothing, or something that would end the finish half-way
    return
  end
  local name, data, opts, id, parent_key, parent, siblings, scheduler =
    unpack(call('HMGET', stored, 'name', 'data', 'opts', 'jid', 'pk', 'pd', 'pdk', 'rjk'))
  if not name then
    return
  end
  local counter = redis.pcall('INCR', P .. 'id')
  if type(counter) == 'table' then
    return pass_over('ERR ' .. P .. 'id is no number, so that the job in ' .. stored .. ' was not added: correct it')
  end
  if id and call('EXISTS', P .. id) == 1 then -- a job got this id meanwhile: as in any add (§2.4) it stays as it is
    call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'duplicated', 'jobId', id)
    call('DEL', stored)
    return
  end
  id = id or whole(counter)
  opts = opts or '{}'
  local options = decoded(opts)
  own_dedup(dedup_options(opts) or { id = dedup }, id)
  local fields = { 'deid', dedup }
  local function carry(field, value)
    if value then
      fields[#fields + 1], fields[#fields + 2] = field, value
    end
  end
  carry('parentKey', parent_key)
  carry('parent', parent)
  carry('rjk', scheduler)
  local delay, priority = tonumber(options.delay) or 0, tonumber(options.priority) or 0
  store_job(id, name, data or '{}', opts, now, delay, priority, unpack(fields))
  place_new(id, now, delay, priority, options.lifo == true)
  local wrong = siblings and misfit(siblings, 'set')
  if wrong then
    pass_over(wrong)
  elseif siblings then
    call('SADD', siblings, P .. id)
  end
  call('DEL', stored)
end
