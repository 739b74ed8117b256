--- include queue
-- §1.2: what "delete the job" means. The lock is not part of it.
local function delete_job(id)
  local job = P .. id
  return call('DEL', job, job .. ':logs', job .. ':dependencies', job .. ':processed', job .. ':failed',
    job .. ':unsuccessful')
end
