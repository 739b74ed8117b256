-- Removes one job, with its children or without (§7.4).
--
-- KEYS[1] P
-- ARGV    id | 1 = with its children
-- Reply   1 | 0 a worker holds it, or one it waits for | -8 it is the next run of a scheduler
--- include removal
--- include iteration

sound('repeat')
local id, children = ARGV[1], ARGV[2] == '1'
if has_record(id) and current_iteration(id) then
  return -8
end
if has_record(id) then
  sound_parent(id)
end
if locked(id, children) then
  return 0
end
remove(id, children)
return 1
