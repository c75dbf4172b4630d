#!lua
-- Moves deliveries from the dead list to the ends of their customers' lines, and returns how many were there.
--
-- KEYS  partition hash, lane hash, queue, due, last, behind, dead, one that there never is (`Keys.never`)
-- ARGV  lane's name, now (ms), then three for each: what the dead list has, customer, delivery

local holder, lane, queue, due, last, behind, dead = unpack(KEYS)
local wanted = { [holder] = 'hash', [lane] = 'hash', [queue] = 'hash', [due] = 'zset', [last] = 'hash', [behind] = 'hash' }
for key, kind in pairs(wanted) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('STATE ' .. key .. ' is a ' .. found .. ' instead of a ' .. kind)
  end
end

local moved = 0
for index = 3, #ARGV, 3 do
  if redis.call('LREM', dead, 1, ARGV[index]) == 1 then
    moved = moved + 1
    local number, customer = redis.call('HINCRBY', lane, 'made', 1), ARGV[index + 1]
    local before = redis.call('HGET', last, customer)
    redis.call('HSET', queue, number, ARGV[index + 2])
    redis.call('HSET', last, customer, number)
    if before then
      redis.call('HSET', behind, before, number)
    else
      redis.call('ZADD', due, ARGV[2], number)
    end
  end
end
redis.call('HSET', holder, 'lane:' .. ARGV[1], '1')
redis.call('HINCRBY', holder, 'poked', 1)
return moved
