--- include sound
--- include lock
--- include delayed
-- What §4.1, §5.2 and §5.3 share: the job exists, the caller owns it, its fields are written, it leaves active.
-- `from`..#ARGV are names and values to write. An answer below 0 is the reply of the script.
local function take_back(id, token, from)
  local job = P .. id
  sound_queue()
  if not sound_job(id) then
    return -1
  end
  local refused = unlock(id, token)
  if refused < 0 then
    return refused
  end
  if from <= #ARGV then
    call('HSET', job, unpack(ARGV, from))
  end
  return leave_active(id) and 0 or -3
end

-- One attempt more; a record may say anything where a number belongs.
local function count_attempt(id)
  call('HSET', P .. id, 'atm', whole((tonumber(call('HGET', P .. id, 'atm')) or 0) + 1))
end
