-- Takes jobs from workers that stopped renewing, at most once per interval and queue (§6.2).
--
-- KEYS[1] P
-- ARGV    now ms | interval ms | how often a job may be lost before it is given up
-- Reply   [ids put back to wait]
--- include lost

sound('active', 'stalled', 'events', 'marker', 'wait', 'paused', 'repeat')

if not call('SET', P .. 'stalled-check', ARGV[1], 'PX', ARGV[2], 'NX') then
  return {}
end
call('XTRIM', P .. 'events', 'MAXLEN', '~', event_cap())

local stalled = {}
local marked = call('SMEMBERS', P .. 'stalled')
call('DEL', P .. 'stalled')
for _, id in ipairs(marked) do
  if call('EXISTS', P .. id .. ':lock') == 0 and put_back_lost(id, tonumber(ARGV[3])) then
    stalled[#stalled + 1] = id
  end
end

local active = call('LRANGE', P .. 'active', 0, -1)
for i = 1, #active, 1000 do
  call('SADD', P .. 'stalled', unpack(active, i, math.min(i + 999, #active)))
end
return stalled
