-- Removes the children that a job waits for and no worker has (§7.1), with their own.
--
-- KEYS[1] P
-- ARGV    id of the parent
-- Reply   nil
--- include removal

sound_queue()
local pending = call('SMEMBERS', P .. ARGV[1] .. ':dependencies')
for _, child in ipairs(pending) do
  at_key(child, locked, true)
end
for _, child in ipairs(pending) do
  at_key(child, function(id)
    if not call('ZSCORE', P .. 'failed', id) and not locked(id, true) then
      remove(id, true)
    end
  end)
end
