--- include store
--- include removal
-- §8.1: the id of the job of one run.
local function run_id(scheduler, run)
  return 'repeat:' .. scheduler .. ':' .. whole(run)
end

-- §8.3: the run of an interval after the run `previous`, or, without one, its first.
local function next_run(every, now, previous, offset, start)
  if previous then
    local run = previous + every
    if run >= now then
      return run
    end
    local slot = math.floor(now / every) * every + offset -- missed runs are left out
    return slot > now and slot or slot + every
  end
  if start then
    return math.max(start, now)
  end
  if offset > 0 then
    local slot = math.floor(now / every) * every + offset
    return slot > now and slot or slot + every
  end
  return now
end

-- The opts of a run: `head` is their JSON text up to the run in the job's id; `pattern` whether it is one of a pattern.
local function run_options(head, run, delay, pattern)
  local opts = head .. whole(run) .. '"'
  if delay > 0 then
    opts = opts .. ',"delay":' .. whole(delay)
  end
  if pattern then
    opts = opts .. ',"prevMillis":' .. whole(run)
  end
  return opts .. '}'
end

-- Stores and places the job of a run, which becomes the scheduler's next. Returns its id and delay. A deduplication id
-- is written down but not looked at: as in BullMQ, runs are told apart by their ids alone.
local function add_run(scheduler, run, now, name, data, head, priority, front, dedup, pattern)
  local id, delay = run_id(scheduler, run), math.max(0, run - now)
  call('ZADD', P .. 'repeat', whole(run), scheduler)
  call('INCR', P .. 'id')
  local opts = run_options(head, run, delay, pattern)
  if dedup == '' then
    store_job(id, name, data, opts, whole(now), whole(delay), priority, 'rjk', scheduler)
  else
    store_job(id, name, data, opts, whole(now), whole(delay), priority, 'rjk', scheduler, 'deid', dedup)
  end
  place_new(id, now, delay, priority, front)
  return id, delay
end
