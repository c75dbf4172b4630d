#!lua
-- Puts deliveries into the queue of one lane (an endpoint in a partition) and moves the lane's place: both or neither.
--
-- KEYS  partition hash, lane hash, queue, due, last, behind, one that there never is (`Keys.never`)
-- ARGV  epoch, lane's name, field of the place, place before, place after, now (ms), how many may wait in all, then
--       (customer, delivery) pairs
--
-- Returns how many wait, then the deliveries' numbers in order, negative where another of the same customer is before
-- it. Refused, -1 and why: another place is stored ('moved'), or too many would wait (the number of those that do now).
-- The queue is number -> delivery. Of each customer the first one stands in `due`; `last` has
-- the number of each customer's newest, `behind` leads from each delivery to the customer's next.

local holder, lane, queue, due, last, behind = unpack(KEYS)
local wanted = { [holder] = 'hash', [lane] = 'hash', [queue] = 'hash', [due] = 'zset', [last] = 'hash', [behind] = 'hash' }
for key, kind in pairs(wanted) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('STATE ' .. key .. ' is a ' .. found .. ' instead of a ' .. kind)
  end
end
local epoch = redis.call('HGET', holder, 'epoch')
if epoch ~= ARGV[1] then
  return redis.error_reply('FENCED epoch ' .. ARGV[1] .. ' does not fit the stored ' .. tostring(epoch))
end
local stored = redis.call('HGET', lane, ARGV[3])
if stored and stored ~= ARGV[4] then
  return { -1, 'moved' }
end
local added, waiting = (#ARGV - 7) / 2, redis.call('HLEN', queue)
if added > 0 and waiting + added > tonumber(ARGV[7]) then
  return { -1, waiting }
end

redis.call('HSET', holder, 'lane:' .. ARGV[2], '1')
redis.call('HSET', lane, ARGV[3], ARGV[5])
local number = redis.call('HINCRBY', lane, 'made', added) - added
local answer = { waiting + added }
for index = 1, added do
  number = number + 1
  local customer = ARGV[6 + 2 * index]
  local before = redis.call('HGET', last, customer)
  redis.call('HSET', queue, number, ARGV[7 + 2 * index])
  redis.call('HSET', last, customer, number)
  if before then
    redis.call('HSET', behind, before, number)
    answer[index + 1] = -number
  else
    redis.call('ZADD', due, ARGV[6], number)
    answer[index + 1] = number
  end
end
return answer
