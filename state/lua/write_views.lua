#!lua
-- Writes views, KEYS[i] with revision ARGV[2i-1] and JSON ARGV[2i], unless a larger revision stands there already.
-- Views are independent and safe to write again, so a failure midway (a key of another type) does no harm.

-- Our own encoder puts the revision first, where it is read without parsing; any other JSON is parsed.
local function revision(json)
  local found = string.match(json, '^{"rev":(%d+)[,}]')
  if found then
    return tonumber(found)
  end
  local readable, view = pcall(cjson.decode, json)
  return readable and type(view) == 'table' and tonumber(view.rev) or -1
end

for index, key in ipairs(KEYS) do
  local present = redis.call('GET', key)
  if not present or revision(present) <= tonumber(ARGV[2 * index - 1]) then
    redis.call('SET', key, ARGV[2 * index])
  end
end
return 'OK'
