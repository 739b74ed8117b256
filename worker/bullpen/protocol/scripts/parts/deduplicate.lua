--- include delayed
--- include dedup
--- include erase
-- §2.5, who survives and who does not. Consumers of v5 listen to `debounced`, those of v6 to `deduplicated` (§12).
local function announce_deduplicated(survivor, dedup, discarded)
  local events, cap = P .. 'events', event_cap()
  call('XADD', events, 'MAXLEN', '~', cap, '*', 'event', 'debounced', 'jobId', survivor, 'debounceId', dedup)
  call('XADD', events, 'MAXLEN', '~', cap, '*', 'event', 'deduplicated', 'jobId', survivor,
    'deduplicationId', dedup, 'deduplicatedJobId', discarded)
end

-- An owner that still waits for its time leaves for the new job. false when it is not in delayed (any more).
local function replace_owner(de, owner, id)
  if call('ZREM', P .. 'delayed', owner) == 0 then
    return false
  end
  delete_job(owner)
  call('DEL', P .. 'dn:' .. de.id)
  call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'removed', 'jobId', owner, 'prev', 'delayed')
  announce_deduplicated(id, de.id, owner)
  local key = P .. 'de:' .. de.id
  if de.ttl and not de.extend and not de.keep_last then
    call('SET', key, id, 'KEEPTTL')
  else
    own_dedup(de, id)
  end
  return true
end

-- §2.5, v6: the owner in delayed gets the due time that the discarded job would have had. As in v6 it is not taken out
-- before: when that is the ms it is due anyway, it comes after itself in sequence.
local function reschedule_owner(owner, timestamp, delay)
  if not call('ZSCORE', P .. 'delayed', owner) then
    return
  end
  local due = tonumber(timestamp) + tonumber(delay)
  call('HSET', P .. owner, 'delay', delay)
  place_delayed(owner, due)
  call('XADD', P .. 'events', 'MAXLEN', '~', event_cap(), '*', 'event', 'delayed', 'jobId', owner, 'delay', whole(due))
  mark_delayed()
end

-- §2.5 for a job about to be stored under `id`. Returns the id of the job that stands for it, or nothing: then the
-- deduplication id is the new job's. `...` are further fields and values of `dn` (pk, pd, pdk, rjk).
local function deduplicate(de, id, name, data, opts, timestamp, delay, ...)
  local key = P .. 'de:' .. de.id
  local owner = call('GET', key)
  if not owner then
    own_dedup(de, id)
    return nil
  end
  if de.keep_last and call('LPOS', P .. 'active', owner) then
    call('DEL', P .. 'dn:' .. de.id)
    call('HSET', P .. 'dn:' .. de.id, 'name', name, 'data', data, 'opts', opts, 'jid', id, ...)
    call('PERSIST', key)
    announce_deduplicated(owner, de.id, id)
    return owner
  end
  if call('PTTL', key) == -1 and call('EXISTS', P .. owner) == 0 then
    -- §12, as v6: its owner was removed by something that knows nothing of deduplication; it would block for ever.
    call('DEL', P .. 'dn:' .. de.id)
    own_dedup(de, id)
    return nil
  end
  if de.replace then
    if replace_owner(de, owner, id) then
      return nil
    end
    return owner
  end
  if de.ttl and de.extend then
    own_dedup(de, owner)
  end
  announce_deduplicated(owner, de.id, id)
  if de.reschedule then
    reschedule_owner(owner, timestamp, delay)
  end
  return owner
end
