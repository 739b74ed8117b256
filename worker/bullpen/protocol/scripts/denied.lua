-- Which commands this user may not run on keys of the queue. Nothing is run, so nothing is written.
--
-- KEYS[1] P
-- ARGV    words, of which those count that name a command
-- Reply   [command, ...]; none on a server that cannot tell (before Redis 7.0)
local P = KEYS[1]
local key, found = P .. 'meta', {}
-- Where the key does not come first.
local arguments = { ZINTERCARD = { 1, key }, BZPOPMIN = { key, 1 } }
for i = 1, redis.acl_check_cmd and #ARGV or 0 do
  local known, allowed = pcall(redis.acl_check_cmd, ARGV[i], unpack(arguments[ARGV[i]] or { key }))
  if known and not allowed then
    found[#found + 1] = ARGV[i]
  end
end
return found
