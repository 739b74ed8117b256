-- Takes the jobs of a worker that is dead, by the beginning of the tokens in their locks. Ours: BullMQ waits for the
-- locks to expire. What becomes of a job is what the stalled check would make of it (§6.2), with its cause of death.
--
-- It looks at up to 2,000 active jobs a call, the newest first, and moves up to 100: the caller goes on at the place in
-- the reply, a bit before the last one, because the list moves meanwhile. What slips through all the same is left to the
-- stalled check.
--
-- KEYS[1] P
-- ARGV    instance | boot, '' = every one but those that follow | how often a job may be lost before it is given up |
--         where to begin in active | boots to spare ...
-- Reply   [ids put back to wait] | where to go on, -1 = nowhere
--- include lost

sound('active', 'stalled', 'events', 'marker', 'wait', 'paused', 'repeat')

local instance, boot, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local spared = {}
for i = 5, #ARGV do
  spared[ARGV[i]] = true
end

-- Token: `<instance>:<boot>:<n>`; the instance is whatever somebody called the pod.
local function dead(token)
  local own = instance .. ':'
  if not token or string.sub(token, 1, #own) ~= own then
    return false
  end
  local of = string.match(token, '^([^:]*):%d+$', #own + 1)
  if not of then
    return false
  end
  return boot == of or (boot == '' and not spared[of])
end

-- Nothing is moved while it looks, or the places would shift.
local at, found = tonumber(ARGV[4]), {}
local last, next_at = at + 2000, -1
while at < last and #found < 100 do
  local ids = call('LRANGE', P .. 'active', at, at + 999)
  if #ids == 0 then
    break
  end
  local locks = {}
  for i, id in ipairs(ids) do
    locks[i] = P .. id .. ':lock'
  end
  local tokens = call('MGET', unpack(locks))
  for i, id in ipairs(ids) do
    at = at + 1
    if dead(tokens[i]) then
      found[#found + 1] = id
      if #found == 100 then
        break
      end
    end
  end
end
if at < call('LLEN', P .. 'active') then
  next_at = math.max(0, at - #found - 100)
end

for _, id in ipairs(found) do
  call('DEL', P .. id .. ':lock')
  call('SREM', P .. 'stalled', id)
  -- Put at the front one after the other, the newest first: the oldest ends up foremost.
  put_back_lost(id, most)
end

-- Its last heartbeat is the proof that nobody needs any more; a restart of its container has one of its own.
if next_at < 0 and boot ~= '' then
  local beat = redis.pcall('HGET', P .. 'bullpen:workers', instance)
  if type(beat) == 'string' and string.find(beat, '"boot":"' .. boot .. '"', 1, true) then
    call('HDEL', P .. 'bullpen:workers', instance)
  end
end
return { found, next_at }
