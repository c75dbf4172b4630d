#!lua
-- Begins a tenure: raises the epoch of the partition whose head is KEYS[1] and returns the whole head.
-- Run twice, as after a lost reply, it raises the epoch twice: harmless, the caller keeps the last answer.

local found = redis.call('TYPE', KEYS[1]).ok
if found ~= 'none' and found ~= 'hash' then
  return redis.error_reply('STATE ' .. KEYS[1] .. ' is a ' .. found .. ' instead of a hash')
end
if not tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0) then
  return redis.error_reply('STATE ' .. KEYS[1] .. ' holds an epoch that is no number')
end
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
return redis.call('HGETALL', KEYS[1])
