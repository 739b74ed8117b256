-- Frees a deduplication id that a job owns (§2.5).
--
-- KEYS[1] P
-- ARGV    deduplication id | job id
-- Reply   1 freed | 0 the job does not own it
--- include queue

local key = P .. 'de:' .. ARGV[1]
if call('GET', key) ~= ARGV[2] then
  return 0
end
return call('DEL', key)
