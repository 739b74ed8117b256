-- Appends a log row (§7.1).
--
-- KEYS[1] P
-- ARGV    id | row | how many rows to keep, 0 = all
-- Reply   rows there are now | -1 missing
--- include queue

if call('EXISTS', P .. ARGV[1]) == 0 then
  return -1
end
local logs, keep = P .. ARGV[1] .. ':logs', tonumber(ARGV[3])
local length = call('RPUSH', logs, ARGV[2])
if keep > 0 and length > keep then
  call('LTRIM', logs, -keep, -1)
  return keep
end
return length
