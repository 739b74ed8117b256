-- What every script starts from: P = `<prefix>:<queue>:` (KEYS[1]); all other keys are built from it.
local P = KEYS[1]
local call = redis.call
