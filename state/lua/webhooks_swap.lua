#!lua
-- Puts ARGV[3] under the field ARGV[1] of the hash KEYS[1] where ARGV[2] stands there ('' is nothing); returns whether
-- ARGV[3] is what stands there now.

local present = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if present == ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  return 1
end
return present == ARGV[3] and 1 or 0
