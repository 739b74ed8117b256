-- Whether a job has ended, and with what (§7.5).
--
-- KEYS[1] P
-- ARGV    id
-- Reply   -1 missing, 0 not yet, 1 completed, 2 failed | return value (JSON), failed reason or ''
--- include queue

local job = P .. ARGV[1]
if call('EXISTS', job) == 0 then
  return { -1, '' }
end
if call('ZSCORE', P .. 'completed', ARGV[1]) then
  return { 1, call('HGET', job, 'returnvalue') or 'null' }
end
if call('ZSCORE', P .. 'failed', ARGV[1]) then
  return { 2, call('HGET', job, 'failedReason') or '' }
end
return { 0, '' }
