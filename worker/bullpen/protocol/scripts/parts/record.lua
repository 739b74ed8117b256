--- include queue
-- Whether a job's hash is there and is one. What else may stand under its name has no fields to go by, and would end a
-- script half-way.
local function has_record(id)
  return call('TYPE', P .. id)['ok'] == 'hash'
end
