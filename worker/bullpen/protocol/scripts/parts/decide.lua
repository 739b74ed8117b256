--- include lock
-- What §4.1, §5.2 and §5.3 share: the job exists, the caller owns it, its fields are written, it leaves active.
-- `from`..#ARGV are names and values to write. An answer below 0 is the reply of the script.
local function take_back(id, token, from)
  local job = P .. id
  if call('EXISTS', job) == 0 then
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
