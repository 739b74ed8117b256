-- All children of a job, at one moment, whatever became of them (§9.5).
--
-- KEYS[1] P
-- ARGV    id
-- Reply   full keys of the hashes of the children, those that have not ended first, each once
--- include queue

local job = P .. ARGV[1]
local children, known = {}, {}

local function take(keys)
  for _, key in ipairs(keys) do
    if not known[key] then
      known[key] = true
      children[#children + 1] = key
    end
  end
end

take(call('SMEMBERS', job .. ':dependencies'))
take(call('HKEYS', job .. ':processed'))
take(call('HKEYS', job .. ':failed'))
take(call('ZRANGE', job .. ':unsuccessful', 0, -1))
return children
