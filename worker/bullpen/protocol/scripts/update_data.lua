-- Replaces a job's data (§7.1).
--
-- KEYS[1] P
-- ARGV    id | data (JSON)
-- Reply   0 | -1 missing
--- include queue

if call('EXISTS', P .. ARGV[1]) == 0 then
  return -1
end
call('HSET', P .. ARGV[1], 'data', ARGV[2])
return 0
