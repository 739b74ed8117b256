--- include queue
-- Puts two lists together under the name `into`, one of theirs: in service order (from the right) all of `older` comes
-- before all of `newer`. A list that is alone is renamed; of two, the shorter one is moved, by parts that unpack takes.
local function merge(newer, older, into)
  local longer, shorter, take, put = older, newer, 'RPOP', 'LPUSH'
  if call('LLEN', newer) > call('LLEN', older) then
    longer, shorter, take, put = newer, older, 'LPOP', 'RPUSH'
  end
  local moved = call(take, shorter, 1000)
  while moved do
    call(put, longer, unpack(moved))
    moved = call(take, shorter, 1000)
  end
  if longer ~= into and call('EXISTS', longer) == 1 then
    call('RENAME', longer, into)
  end
end
