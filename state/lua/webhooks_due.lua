#!lua flags=no-writes
-- Returns what is due in a lane: how many deliveries wait, the first later instant at which one is due (-1: none; now:
-- there are more than asked for), then number, tries and bytes of each.
--
-- KEYS  queue, due, tries
-- ARGV  now (ms), how many at most, then the numbers of those that are not wanted

local queue, due, tries = unpack(KEYS)
local now, limit, held = ARGV[1], tonumber(ARGV[2]), {}
for index = 3, #ARGV do
  held[ARGV[index]] = true
end
local answer = { redis.call('HLEN', queue), -1 }
local numbers = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, limit + #ARGV - 1)
local taken = 0
for _, number in ipairs(numbers) do
  if not held[number] then
    if taken == limit then
      answer[2] = tonumber(now)
      return answer
    end
    taken = taken + 1
    answer[#answer + 1] = tonumber(number)
    answer[#answer + 1] = tonumber(redis.call('HGET', tries, number) or 0)
    answer[#answer + 1] = redis.call('HGET', queue, number) or ''
  end
end
local later = redis.call('ZRANGEBYSCORE', due, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if later[2] then
  answer[2] = tonumber(later[2])
end
return answer
