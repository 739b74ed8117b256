--- include meta
--- include sound
-- `sound` for the call that every job goes through, in a few commands: these keys have no member in common with one that
-- does not exist, which is found out only after their types were looked at. (A set passes for a sorted set here.)
local function sound_work()
  local found = redis.pcall('ZINTERCARD', 7, P, P .. 'prioritized', P .. 'delayed', P .. 'completed', P .. 'failed',
    P .. 'marker', P .. 'stalled')
  if type(found) == 'table' then
    sound('prioritized', 'delayed', 'completed', 'failed', 'marker', 'stalled')
  end
  sound_key('XLEN', P .. 'events', 'stream')
  sound_key('LLEN', P .. 'active', 'list')
  sound_key('LLEN', target, 'list')
end
