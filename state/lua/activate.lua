#!lua
-- Makes a ruleset the active one in the hash KEYS[1] and returns number, version and source of what is then active.
-- ARGV: version, source, '1' where it is to be made active only if none is yet. Safe to repeat: the version that is
-- active keeps its number.

local found = redis.call('TYPE', KEYS[1]).ok
if found ~= 'none' and found ~= 'hash' then
  return redis.error_reply('STATE ' .. KEYS[1] .. ' is a ' .. found .. ' instead of a hash')
end
local number, version = unpack(redis.call('HMGET', KEYS[1], 'number', 'version'))
local previous = tonumber(number or 0)
if not previous then
  return redis.error_reply('STATE ' .. KEYS[1] .. ' holds a number that is none')
end
if previous == 0 or (version ~= ARGV[1] and ARGV[3] ~= '1') then
  redis.call('HSET', KEYS[1], 'number', previous + 1, 'version', ARGV[1], 'source', ARGV[2])
elseif ARGV[4] == '1' then
  -- WAITAOF waits for what its own connection wrote: a repeat must write something to prove the first.
  redis.call('HSET', KEYS[1], 'number', number)
end
return redis.call('HMGET', KEYS[1], 'number', 'version', 'source')
