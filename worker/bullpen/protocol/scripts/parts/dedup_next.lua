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
  local counter = call('INCR', P .. 'id')
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
  if siblings then
    call('SADD', siblings, P .. id)
  end
  call('DEL', stored)
end
