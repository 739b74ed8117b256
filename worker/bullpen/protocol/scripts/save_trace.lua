-- Writes what went wrong with a job, whatever its state (§5.5).
--
-- KEYS[1] P
-- ARGV    id | stack traces (JSON array of strings, oldest first) | failed reason
-- Reply   0 | -1 missing
--- include queue

if call('EXISTS', P .. ARGV[1]) == 0 then
  return -1
end
call('HSET', P .. ARGV[1], 'stacktrace', ARGV[2], 'failedReason', ARGV[3])
return 0
