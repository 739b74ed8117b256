-- How many children of a job ended in which way (§7.5).
--
-- KEYS[1] P
-- ARGV    id
-- Reply   processed | unprocessed | ignored | failed
--- include queue

local job = P .. ARGV[1]
return {
  call('HLEN', job .. ':processed'),
  call('SCARD', job .. ':dependencies'),
  call('HLEN', job .. ':failed'),
  call('ZCARD', job .. ':unsuccessful'),
}
