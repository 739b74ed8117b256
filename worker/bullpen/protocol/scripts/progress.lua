-- Stores and announces progress (§7.1).
--
-- KEYS[1] P
-- ARGV    id | progress (JSON)
-- Reply   0 | -1 missing
--- include meta
--- include sound

sound('events')
if not sound_job(ARGV[1]) then
  return -1
end
call('HSET', P .. ARGV[1], 'progress', ARGV[2])
call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'progress', 'jobId', ARGV[1], 'data', ARGV[2])
return 0
