-- One scheduler with its record (§8.1).
--
-- KEYS[1] P
-- ARGV    scheduler id
-- Reply   next run ms or '' | record
--- include delayed

local run = call('ZSCORE', P .. 'repeat', ARGV[1])
return { run and whole(tonumber(run)) or '', call('HGETALL', P .. 'repeat:' .. ARGV[1]) }
