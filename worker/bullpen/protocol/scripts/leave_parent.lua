-- A child breaks with its parent (§7.1), which waits for it no more.
--
-- KEYS[1] P
-- ARGV    id of the child
-- Reply   0 | 1 no parent waits for it | -1 missing | -5 its parent does not exist
--- include family

local job = P .. ARGV[1]
sound_queue()
if not sound_job(ARGV[1]) then
  return -1
end
sound_parent(ARGV[1])
local parent = call('HGET', job, 'parentKey')
if not parent then
  return 1
end
if call('EXISTS', parent) == 0 then
  return -5
end
if call('SISMEMBER', parent .. ':dependencies', job) == 0 then
  return 1
end
leave_family(ARGV[1], false)
call('HDEL', job, 'parentKey', 'parent')
return 0
