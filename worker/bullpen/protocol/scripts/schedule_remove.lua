-- Ends a scheduler (§8.5); a run that has begun, or could begin, stays.
--
-- KEYS[1] P
-- ARGV    scheduler id
-- Reply   0 | 1 there is none
--- include schedule

sound_queue()
sound('repeat')
local scheduler = ARGV[1]
local run = tonumber(call('ZSCORE', P .. 'repeat', scheduler))
if run then
  local id = run_id(scheduler, run)
  if sound_job(id) then
    sound_parent(id)
  end
  if call('ZREM', P .. 'delayed', id) == 1 then
    leave_family(id, true)
    drop_dedup(id)
    delete_job(id)
    call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'removed', 'jobId', id, 'prev', 'delayed')
  end
end
local known = call('ZREM', P .. 'repeat', scheduler)
call('DEL', P .. 'repeat:' .. scheduler)
return known == 1 and 0 or 1
