--- include queue
-- §1.6: pause, limits and the cap of the event stream, read once a call.
local meta = call('HMGET', P .. 'meta', 'paused', 'concurrency', 'max', 'duration', 'opts.maxLenEvents')
local paused = meta[1] ~= false
local concurrency = tonumber(meta[2])
local target = P .. (paused and 'paused' or 'wait')

local function blocked()
  return paused or (concurrency ~= nil and call('LLEN', P .. 'active') >= concurrency)
end

-- Whoever trims the stream makes sure that its cap is written down (§2.1 step 2).
local function event_cap()
  if not meta[5] then
    meta[5] = '10000'
    call('HSET', P .. 'meta', 'opts.maxLenEvents', meta[5])
  end
  return meta[5]
end
