-- Jobs by state (§7.5).
--
-- KEYS[1] P
-- Reply   wait | paused | active | prioritized | delayed | waiting-children | completed | failed
--- include queue

return {
  call('LLEN', P .. 'wait'),
  call('LLEN', P .. 'paused'),
  call('LLEN', P .. 'active'),
  call('ZCARD', P .. 'prioritized'),
  call('ZCARD', P .. 'delayed'),
  call('ZCARD', P .. 'waiting-children'),
  call('ZCARD', P .. 'completed'),
  call('ZCARD', P .. 'failed'),
}
