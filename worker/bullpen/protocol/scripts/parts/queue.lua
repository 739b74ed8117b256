-- What every script starts from: P = `<prefix>:<queue>:` (KEYS[1]); all other keys are built from it.
local P = KEYS[1]

-- Redis does not say which key an error is about.
local function named(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply.err then
    local code, text = string.match(reply.err, '^(%u+) (.*)$')
    if code == 'WRONGTYPE' then
      text = code .. ' ' .. key .. ' is a ' .. redis.call('TYPE', key)['ok'] .. ', which does not belong there: remove it'
    elseif code == 'ERR' then
      text = code .. ' ' .. key .. ' is damaged: ' .. text
    else
      text = reply.err
    end
    error(redis.error_reply(text))
  end
  return reply
end

-- The scripts that every job goes through take `redis.call` itself, which costs less, and look at the types of the
-- queue's keys before they write (`sound`).
local call = named
