--- include misfit
-- Redis does not take back what a script wrote before it failed: keys that somebody else made something else of are
-- looked for before the first write, and named.
-- What is made here is made in every call: tables only where they are looked at.
local function kind_of(name)
  local kinds = {
    wait = 'list', paused = 'list', active = 'list',
    prioritized = 'zset', delayed = 'zset', ['waiting-children'] = 'zset', completed = 'zset', failed = 'zset',
    marker = 'zset', ['repeat'] = 'zset', stalled = 'set', events = 'stream', meta = 'hash',
  }
  return kinds[name]
end

local function misfits(base, names)
  for _, name in ipairs(names) do
    local wrong = misfit(base .. name, kind_of(name))
    if wrong then
      return wrong
    end
  end
end

-- Ends the script when one of these keys of the queue is none of its kind.
local function sound(...)
  refuse(misfits(P, { ... }))
end

-- The same for a queue and all that a job passes through.
local function queue_misfit(base)
  return misfits(base, { 'wait', 'paused', 'active', 'prioritized', 'delayed', 'waiting-children', 'completed', 'failed',
    'marker', 'events', 'stalled' })
end

local function sound_queue()
  refuse(queue_misfit(P))
end

-- The same for a job's record; whether there is one.
local function sound_job(id)
  refuse(misfit(P .. id, 'hash'))
  return redis.call('EXISTS', P .. id) == 1
end

-- A counter holds digits, or the next INCR would end the script.
local function sound_counter(key)
  refuse(misfit(key, 'string'))
  local value = redis.call('GET', key)
  if value and (#value > 18 or not string.find(value, '^-?%d+$')) then
    refuse('ERR ' .. key .. ' is damaged: it holds ' .. string.sub(value, 1, 40) .. ', not a number')
  end
end

-- Damage that one job or one number has, which must not hold up the others: told in the reply of `work`.
local troubles = {}
local function pass_over(trouble)
  troubles[#troubles + 1] = trouble
end
