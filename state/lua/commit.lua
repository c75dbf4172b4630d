#!lua
-- One commit of one partition: all of it, or nothing.
--
-- KEYS  head, due, outbox, sizes, views, one that there never is (`Keys.never`), then one key for each profile
-- ARGV  the 18 of HEADER below, then the values they count, in the order of BODY:
--       profiles · due (score, customer) · due to remove · sizes (segment, delta) · outbox · viewed · views ·
--       forms (field of the head, content)
--
-- A script that fails midway leaves what it wrote, so everything that can fail is checked before the first write:
-- types, numbers, counts and the caller's rights here; memory, disk and replicas by the server itself before it runs
-- a script with this first line and no flags. MSET, the one write to profile keys, fails on no type.

local HEADER = 18
local NAMED = 6 -- keys before those of profiles
local SLICE = 2000 -- unpack fits 8,000 values on Lua's stack; even, because pairs may not be cut
local EXACT = 9007199254740992 -- 2^53: from here on, Lua's numbers and sorted set scores skip integers

local head, due, outbox, sizes, views = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local epoch, number, token, ruleset = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local from_offset, next_offset, marker, topics = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local passed, published, prove = ARGV[9], tonumber(ARGV[10]), ARGV[11]

local function integer(text)
  local value = tonumber(text)
  if not value or value ~= math.floor(value) or value >= EXACT or value <= -EXACT then
    return nil
  end
  return value
end

-- Where each part of the body begins and ends in ARGV.
local parts, at = {}, HEADER
for index, count in ipairs({
  #KEYS - NAMED, 2 * tonumber(ARGV[12]), tonumber(ARGV[13]), 2 * tonumber(ARGV[14]),
  tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17]), 2 * tonumber(ARGV[18]),
}) do
  parts[index] = { first = at + 1, last = at + count }
  at = at + count
end
local profiles, moved, removed, deltas, changes, viewed, shown, forms = unpack(parts)
if at ~= #ARGV then
  return redis.error_reply('STATE commit.lua got ' .. #ARGV .. ' arguments instead of ' .. at)
end

for key, wanted in pairs({ [head] = 'hash', [due] = 'zset', [outbox] = 'list', [sizes] = 'hash', [views] = 'set' }) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= wanted then
    return redis.error_reply('STATE ' .. key .. ' is a ' .. found .. ' instead of a ' .. wanted)
  end
end

local stored = redis.call('HMGET', head, 'epoch', 'number', 'token', 'ruleset', 'offset')
local stored_epoch, stored_number = integer(stored[1] or 0), integer(stored[2] or 0)
local stored_ruleset, stored_offset = integer(stored[4] or 0), stored[5] or '-1'
if not (stored_epoch and stored_number and stored_ruleset and integer(stored_offset)) then
  return redis.error_reply('STATE ' .. head .. ' holds something that is no number')
end

-- Each right that a write below needs, asked with the arity the command has.
for _, command in ipairs({
  { 'HSET', head, 'f', 'v' }, { 'MSET', KEYS[NAMED + 1] or head, 'v' }, { 'ZADD', due, '1', 'm' }, { 'ZREM', due, 'm' },
  { 'HSET', sizes, 'f', 'v' }, { 'HDEL', sizes, 'f' }, { 'LTRIM', outbox, '1', '2' }, { 'RPUSH', outbox, 'v' },
  { 'SREM', views, 'm' }, { 'SADD', views, 'm' },
}) do
  if not redis.acl_check_cmd(unpack(command)) then
    return redis.error_reply('NOPERM this user may not ' .. command[1] .. ' ' .. command[2])
  end
end

if token ~= '' and number == stored_number and token == stored[3] then
  -- WAITAOF waits for what its own connection wrote. A repeat on a new connection must therefore write something.
  if prove == '1' then
    redis.call('HSET', head, 'token', token)
  end
  return 'OK'
end

local function refused(what, ours, theirs)
  return redis.error_reply('FENCED ' .. what .. ' ' .. tostring(ours) .. ' does not fit the stored ' .. tostring(theirs))
end
if epoch ~= stored_epoch or epoch == 0 then
  return refused('epoch', ARGV[1], stored_epoch)
end
if number ~= stored_number + 1 then
  return refused('commit number', ARGV[2], stored_number)
end
if ruleset < stored_ruleset then
  return refused('ruleset number', ARGV[4], stored_ruleset)
end
if stored_offset ~= '-1' and from_offset ~= stored_offset then
  return refused('offset', from_offset, stored_offset)
end
if integer(next_offset) < integer(stored_offset) then
  return refused('next offset', next_offset, stored_offset)
end
local waiting = redis.call('LLEN', outbox)
if published > waiting then
  return refused('count of published changes', published, waiting)
end

for index = moved.first, moved.last, 2 do
  if not integer(ARGV[index]) then
    return redis.error_reply('STATE due ' .. ARGV[index] .. ' is no instant in milliseconds')
  end
end

local kept, emptied = {}, {}
for index = deltas.first, deltas.last, 2 do
  local segment = ARGV[index]
  local before, delta = integer(redis.call('HGET', sizes, segment) or 0), integer(ARGV[index + 1])
  if not (before and delta and integer(before + delta)) then
    return redis.error_reply('STATE the size of ' .. segment .. ' in ' .. sizes .. ' is no number')
  end
  if before + delta == 0 then
    emptied[#emptied + 1] = segment
  else
    kept[#kept + 1] = segment
    kept[#kept + 1] = string.format('%.0f', before + delta)
  end
end

-- From here on nothing fails.
local function sliced(command, key, values, first, last)
  for from = first, last, SLICE do
    redis.call(command, key, unpack(values, from, math.min(from + SLICE - 1, last)))
  end
end

if published > 0 then
  redis.call('LTRIM', outbox, published, -1)
end
sliced('SREM', views, ARGV, viewed.first, viewed.last)
for from = NAMED + 1, #KEYS, SLICE / 2 do
  local keys_and_values, size = {}, 0
  for index = from, math.min(from + SLICE / 2 - 1, #KEYS) do
    keys_and_values[size + 1] = KEYS[index]
    keys_and_values[size + 2] = ARGV[profiles.first + index - NAMED - 1]
    size = size + 2
  end
  redis.call('MSET', unpack(keys_and_values, 1, size)) -- half the server's time of a SET each
end
sliced('ZADD', due, ARGV, moved.first, moved.last)
sliced('ZREM', due, ARGV, removed.first, removed.last)
sliced('HSET', sizes, kept, 1, #kept)
sliced('HDEL', sizes, emptied, 1, #emptied)
sliced('RPUSH', outbox, ARGV, changes.first, changes.last)
sliced('SADD', views, ARGV, shown.first, shown.last)
sliced('HSET', head, ARGV, forms.first, forms.last)
redis.call('HSET', head, 'number', ARGV[2], 'token', token, 'ruleset', ARGV[4], 'offset', next_offset)
if marker ~= '' then
  redis.call('HSET', head, 'marker', marker)
end
if passed ~= '' then
  redis.call('HSET', head, 'passed', passed)
end
if topics ~= '' then
  redis.call('HSET', head, 'topics', topics)
end
return 'OK'
