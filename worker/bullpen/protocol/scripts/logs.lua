-- A page of log rows (§1.2).
--
-- KEYS[1] P
-- ARGV    id | first | last (inclusive, negative from the end)
-- Reply   [rows, oldest first] | rows there are
--- include queue

local logs = P .. ARGV[1] .. ':logs'
return { call('LRANGE', logs, ARGV[2], ARGV[3]), call('LLEN', logs) }
