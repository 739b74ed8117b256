-- Keeps what a job wants to find in its next attempt, in a field of ours; only the owner of its lock may (§4.2).
--
-- KEYS[1] P
-- ARGV    id | token | state (JSON), '' = none
-- Reply   0 | -1 missing | -2 no lock | -6 somebody else's lock
--- include sound

if not sound_job(ARGV[1]) then
  return -1
end
local owner = redis.pcall('GET', P .. ARGV[1] .. ':lock')
if owner ~= ARGV[2] then
  return owner and -6 or -2
end
if ARGV[3] == '' then
  call('HDEL', P .. ARGV[1], 'bp:state')
else
  call('HSET', P .. ARGV[1], 'bp:state', ARGV[3])
end
return 0
