--- include delayed
-- §7.4: the next run of a scheduler, which is the scheduler's to take away: without it no further one would be made.
local function current_iteration(id)
  local scheduler = call('HGET', P .. id, 'rjk')
  local run = scheduler and call('ZSCORE', P .. 'repeat', scheduler)
  return run and id == 'repeat:' .. scheduler .. ':' .. whole(tonumber(run)) or false
end
