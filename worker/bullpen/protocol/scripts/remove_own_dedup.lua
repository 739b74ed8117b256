-- Frees the deduplication id that a job was added with, if the job still owns it (§2.5).
--
-- KEYS[1] P
-- ARGV    job id
-- Reply   1 freed | 0 the job does not own one
--- include queue

local dedup = call('HGET', P .. ARGV[1], 'deid')
if not dedup or call('GET', P .. 'de:' .. dedup) ~= ARGV[1] then
  return 0
end
return call('DEL', P .. 'de:' .. dedup)
