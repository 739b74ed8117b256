-- Makes a scheduler, or gives it another interval, pattern or template (§8.2).
--
-- KEYS[1] P
-- ARGV    scheduler id | now ms | interval ms or '' | next run of the pattern ms or '' | start ms or '' |
--         offset ms or '' | job name | job data (JSON) | head of the job's opts, see `run_options` | priority | 1 = lifo |
--         deduplication id or '' | field, value, ... of the record (without `name`, `offset` and `ic`)
-- Reply   [job id, delay ms] | -10 a job of that run exists | -11 the jobs of 32 further runs exist
--- include schedule

sound_queue()
sound('repeat')
sound_counter(P .. 'id')
local scheduler, now, every = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local given = tonumber(ARGV[6])
local record = P .. 'repeat:' .. scheduler
refuse(misfit(record, 'hash'))
local count, known_every, known_offset = unpack(call('HMGET', record, 'ic', 'every', 'offset'))
known_offset = tonumber(known_offset) or 0
local previous = tonumber(call('ZSCORE', P .. 'repeat', scheduler))
local last = previous and run_id(scheduler, previous)
if last and sound_job(last) then
  sound_parent(last)
end
local unchanged = every and tonumber(known_every) == every

-- Only looks: no job is touched before it is certain that there is a run to be had.
local function unstarted(id)
  return call('ZSCORE', P .. 'delayed', id) or call('ZSCORE', P .. 'prioritized', id)
    or call('LPOS', P .. 'wait', id) or call('LPOS', P .. 'paused', id)
end

local replaced = last and call('EXISTS', P .. last) == 1 and unstarted(last) and true or false
local function taken(run)
  local id = run_id(scheduler, run)
  return call('EXISTS', P .. id) == 1 and not (replaced and id == last)
end

local run = tonumber(ARGV[4])
if not every then
  if taken(run) then
    return -10
  end
elseif unchanged and replaced then
  run = previous
else
  run = next_run(every, now, unchanged and previous or nil, given or 0, tonumber(ARGV[5]))
  local tries = 0
  while taken(run) do
    if tries == 32 then
      return -11
    end
    tries, run = tries + 1, run + every
  end
end

event_cap()
if replaced then
  leave_family(last, true)
  leave_state(last)
  drop_dedup(last)
  delete_job(last)
end
local offset = replaced and known_offset or 0 -- a pattern has no use for it, but keeps what it finds
if every then
  offset = given or replaced and known_offset or run - math.floor(run / every) * every
end
call('DEL', record)
call('HSET', record, 'name', ARGV[7], 'offset', whole(offset), 'ic', tonumber(count) and count or 1, unpack(ARGV, 13))
local id, delay = add_run(scheduler, run, now, ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10]), ARGV[11] == '1', ARGV[12],
  not every)
return { id, delay }
