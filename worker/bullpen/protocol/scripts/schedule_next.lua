-- Adds a scheduler's next run, when a worker has received the present one (§8.4); once, however often that happens.
--
-- KEYS[1] P
-- ARGV    scheduler id | id of the job received | now ms | interval ms or '' | next run of the pattern ms or '' |
--         head of the job's opts, see `run_options` | priority | 1 = lifo | deduplication id or ''
-- Reply   id of the next job | '' nothing to be done
--- include schedule

sound_queue()
sound('repeat')
sound_counter(P .. 'id')
local scheduler, now, every = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local record = P .. 'repeat:' .. scheduler
local previous = tonumber(call('ZSCORE', P .. 'repeat', scheduler))
local count, name, data, offset = unpack(call('HMGET', record, 'ic', 'name', 'data', 'offset'))
if not previous or not count or ARGV[2] ~= run_id(scheduler, previous) then
  return ''
end
local run = tonumber(ARGV[5]) or next_run(every, now, previous, tonumber(offset) or 0)
local id = run_id(scheduler, run)
if call('EXISTS', P .. id) == 1 then
  call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'duplicated', 'jobId', id)
  return ''
end
call('HINCRBY', record, 'ic', 1)
add_run(scheduler, run, now, name or scheduler, data or '{}', ARGV[6], tonumber(ARGV[7]), ARGV[8] == '1', ARGV[9],
  not every)
return id
