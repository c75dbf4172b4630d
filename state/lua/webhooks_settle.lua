#!lua
-- Writes what came of attempts in one lane.
--
-- KEYS  partition hash, lane hash, queue, due, last, behind, tries, dead, one that there never is (`Keys.never`)
-- ARGV  epoch, now (ms), how many dead ones are kept, what the last attempt came to, then five for each delivery:
--       'done',  number, customer, '',    ''
--       'again', number, customer, tries, due (ms)
--       'spent', number, customer, '',    what the dead list gets
--
-- Returns two for each delivery: the number and the bytes of the customer's next one, which is due now; 0 and '' where
-- there is none; -1 and '' where the delivery is not there, as after a lost reply.

local holder, lane, queue, due, last, behind, tries, dead = unpack(KEYS)
local epoch = redis.call('HGET', holder, 'epoch')
if epoch ~= ARGV[1] then
  return redis.error_reply('FENCED epoch ' .. ARGV[1] .. ' does not fit the stored ' .. tostring(epoch))
end
local found = redis.call('TYPE', dead).ok
if found ~= 'none' and found ~= 'list' then
  return redis.error_reply('STATE ' .. dead .. ' is a ' .. found .. ' instead of a list')
end

local answer, counts = {}, {}
for index = 5, #ARGV, 5 do
  local kind, number, customer = ARGV[index], ARGV[index + 1], ARGV[index + 2]
  local following, delivery = 0, ''
  if redis.call('HEXISTS', queue, number) == 0 then
    following = -1
  elseif kind == 'again' then
    redis.call('HSET', tries, number, ARGV[index + 3])
    redis.call('ZADD', due, ARGV[index + 4], number)
  else
    redis.call('HDEL', queue, number)
    redis.call('HDEL', tries, number)
    redis.call('ZREM', due, number)
    local next_one = redis.call('HGET', behind, number)
    if next_one then
      redis.call('HDEL', behind, number)
      redis.call('ZADD', due, ARGV[2], next_one)
      following, delivery = tonumber(next_one), redis.call('HGET', queue, next_one) or ''
    else
      redis.call('HDEL', last, customer)
    end
    if kind == 'spent' then
      redis.call('RPUSH', dead, ARGV[index + 4])
    end
  end
  if following >= 0 then
    counts[kind] = (counts[kind] or 0) + 1
  end
  answer[#answer + 1] = following
  answer[#answer + 1] = delivery
end
for kind, count in pairs(counts) do
  redis.call('HINCRBY', lane, kind, count)
end
if counts['spent'] then
  redis.call('LTRIM', dead, -tonumber(ARGV[3]), -1)
end
if next(counts) then -- else the lane may have been removed
  redis.call('HSET', lane, 'last', ARGV[4])
end
return answer
