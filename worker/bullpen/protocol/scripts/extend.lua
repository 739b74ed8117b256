-- Renews locks (§6.1).
--
-- KEYS[1] P
-- ARGV    lock ms | id, token, ...
-- Reply   [ids whose lock is not held under that token]
--- include sound

sound('stalled')
local lost, renewed = {}, {}
for i = 2, #ARGV, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local lock = P .. id .. ':lock'
  if redis.pcall('GET', lock) == token then
    -- The same as a SET of the token, but allowed when the memory is full: or every long job would run twice.
    call('PEXPIRE', lock, ARGV[1])
    renewed[#renewed + 1] = id
  else
    lost[#lost + 1] = id
  end
end
for i = 1, #renewed, 1000 do
  call('SREM', P .. 'stalled', unpack(renewed, i, math.min(i + 999, #renewed)))
end
return lost
