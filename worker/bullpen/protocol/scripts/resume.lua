-- Ends a pause (§7.3): jobs in `paused` go back to `wait`, to be served before those that an add put there meanwhile.
--
-- KEYS[1] P
-- Reply   nil
--- include merge
--- include sound
--- include marker

sound('meta', 'wait', 'paused', 'prioritized', 'delayed', 'marker', 'events')
merge(P .. 'wait', P .. 'paused', P .. 'wait')
call('HDEL', P .. 'meta', 'paused')
-- Even at the queue's concurrency (obs): a worker that finds nothing to do comes back by itself.
if call('EXISTS', P .. 'wait', P .. 'prioritized') > 0 then
  call('ZADD', P .. 'marker', 0, '0')
else
  mark_delayed()
end
call('XADD', P .. 'events', '*', 'event', 'resumed')
