--- include queue
-- What is wrong with a key that should be of that type, nil when it is or does not exist.
local function misfit(key, kind)
  local found = redis.call('TYPE', key)['ok']
  if found ~= kind and found ~= 'none' then
    return 'WRONGTYPE ' .. key .. ' is a ' .. found .. ', where a ' .. kind .. ' belongs: remove it'
  end
end

local function refuse(wrong)
  if wrong then
    error(redis.error_reply(wrong))
  end
end

-- Ends the script when the key is none of that kind: in the least time, by a command that counts what one has.
local function sound_key(count, key, kind)
  if type(redis.pcall(count, key)) == 'table' then
    refuse(misfit(key, kind))
  end
end
