#!lua
-- Takes a batch of one partition's changes into the history: all of it, or nothing.
--
-- KEYS  place, totals, minutes, one that there never is (`Keys.never`), then one key for each customer
-- ARGV  offset it begins at ('' where none is stored), offset after it, token, instant up to which the log was read
--       (UTC ms), then one packed history for each customer, then (minute, segment, entered, exited) quadruples
--
-- The hash `minutes` has for each minute what entered and left, the hash `totals` the sums of the minutes that are kept:
-- the last DAY of them. Everything that can fail is checked before the first write.

local HEADER = 4
local NAMED = 4 -- keys before those of customers
local SLICE = 2000 -- unpack fits 8,000 values on Lua's stack; even, because pairs may not be cut
local DAY = 1440
local MINUTE_MS = 60000

local place, totals, minutes = KEYS[1], KEYS[2], KEYS[3]
local from_offset, next_offset, token, read_to = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local first_flow = HEADER + (#KEYS - NAMED) + 1
if not read_to or (#ARGV - first_flow + 1) % 4 ~= 0 then
  return redis.error_reply('STATE history.lua got ' .. #ARGV .. ' arguments that do not fit ' .. #KEYS .. ' keys')
end

for _, key in ipairs({ place, totals, minutes }) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= 'hash' then
    return redis.error_reply('STATE ' .. key .. ' is a ' .. found .. ' instead of a hash')
  end
end
for _, command in ipairs({
  { 'MSET', KEYS[NAMED + 1] or place, 'v' }, { 'HSET', place, 'f', 'v' }, { 'HSET', totals, 'f', 'v' },
  { 'HDEL', totals, 'f' }, { 'HSET', minutes, 'f', 'v' }, { 'HDEL', minutes, 'f' },
}) do
  if not redis.acl_check_cmd(unpack(command)) then
    return redis.error_reply('NOPERM this user may not ' .. command[1] .. ' ' .. command[2])
  end
end

local stored = redis.call('HMGET', place, 'offset', 'token', 'read_to')
if stored[1] == next_offset and stored[2] == token then
  return 'OK' -- a repeat, after a reply that was lost
end
if (stored[1] or '') ~= from_offset then
  return redis.error_reply('FENCED offset ' .. from_offset .. ' does not fit the stored ' .. (stored[1] or 'none'))
end
read_to = math.max(read_to, tonumber(stored[3]) or 0)
local oldest = math.floor(read_to / MINUTE_MS) - DAY + 1

local function counts_at(minute)
  local readable, found = pcall(cjson.decode, redis.call('HGET', minutes, minute) or '{}')
  return readable and type(found) == 'table' and found or nil
end

local moved = {} -- segment -> {entered, exited} by which its total changes
local function move(segment, entered, exited)
  local sums = moved[segment] or { 0, 0 }
  moved[segment] = { sums[1] + entered, sums[2] + exited }
end

local touched = {} -- minute -> segment -> {entered, exited}
for index = first_flow, #ARGV, 4 do
  local minute, segment = ARGV[index], ARGV[index + 1]
  local entered, exited = tonumber(ARGV[index + 2]), tonumber(ARGV[index + 3])
  if not (tonumber(minute) and entered and exited) then
    return redis.error_reply('STATE history.lua got a count of ' .. segment .. ' that is none')
  end
  if tonumber(minute) >= oldest then
    if not touched[minute] then
      touched[minute] = counts_at(minute)
      if not touched[minute] then
        return redis.error_reply('STATE ' .. minutes .. ' holds no counts at ' .. minute)
      end
    end
    local counts = touched[minute][segment] or { 0, 0 }
    touched[minute][segment] = { counts[1] + entered, counts[2] + exited }
    move(segment, entered, exited)
  end
end

local dropped = {}
if math.floor((tonumber(stored[3]) or 0) / MINUTE_MS) < math.floor(read_to / MINUTE_MS) then
  for _, minute in ipairs(redis.call('HKEYS', minutes)) do
    if (tonumber(minute) or 0) < oldest then
      for segment, counts in pairs(counts_at(minute) or {}) do
        move(segment, -counts[1], -counts[2])
      end
      dropped[#dropped + 1] = minute
    end
  end
end

local sums, emptied = {}, {}
for segment, by in pairs(moved) do
  local entered, exited = string.match(redis.call('HGET', totals, segment) or '0 0', '^(%d+) (%d+)$')
  if not entered then
    return redis.error_reply('STATE ' .. totals .. ' holds no counts of ' .. segment)
  end
  entered, exited = math.max(0, entered + by[1]), math.max(0, exited + by[2])
  if entered + exited == 0 then
    emptied[#emptied + 1] = segment
  else
    sums[#sums + 1] = segment
    sums[#sums + 1] = string.format('%.0f %.0f', entered, exited)
  end
end

-- From here on nothing fails.
local function sliced(command, key, values)
  for from = 1, #values, SLICE do
    redis.call(command, key, unpack(values, from, math.min(from + SLICE - 1, #values)))
  end
end

for from = NAMED + 1, #KEYS, SLICE / 2 do
  local pairs_of = {}
  for index = from, math.min(from + SLICE / 2 - 1, #KEYS) do
    pairs_of[#pairs_of + 1] = KEYS[index]
    pairs_of[#pairs_of + 1] = ARGV[HEADER + index - NAMED]
  end
  redis.call('MSET', unpack(pairs_of))
end
for minute, counts in pairs(touched) do
  redis.call('HSET', minutes, minute, cjson.encode(counts))
end
sliced('HDEL', minutes, dropped)
sliced('HSET', totals, sums)
sliced('HDEL', totals, emptied)
redis.call('HSET', place, 'offset', next_offset, 'token', token, 'read_to', string.format('%.0f', read_to))
return 'OK'
