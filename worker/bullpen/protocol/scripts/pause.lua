-- Pauses the queue (§7.3): ready jobs go to `paused`, after those that are there already; nobody is woken up any more.
--
-- KEYS[1] P
-- Reply   nil
--- include merge
--- include sound

sound('meta', 'wait', 'paused', 'prioritized', 'delayed', 'marker', 'events')
merge(P .. 'wait', P .. 'paused', P .. 'paused')
call('HSET', P .. 'meta', 'paused', 1)
call('DEL', P .. 'marker')
call('XADD', P .. 'events', '*', 'event', 'paused')
