-- One call of a key-value store, as one step of the engine: ARGV[1] says which.
--
-- KEYS: a hash of the entries; a sorted set of their keys, all with the score 0, so that it is in the order of their bytes; a
-- sorted set of the keys that expire, by the moment in milliseconds; and how many bytes the store counts.
local entries, keys, expiries, used = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ENTRY_OVERHEAD, MAX_ANSWER, MAX_PASSED_OVER, MAX_EXPIRED, MAX_EXPIRED_FOR_ROOM = 64, 8388608, 4096, 256, 4096

-- The engine's own clock, as those of the hosts differ.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function cost(key, value)
  return #key + #value + ENTRY_OVERHEAD
end

-- A number without an exponent.
local function integer(number)
  return string.format('%.0f', number)
end

local function is_live(key)
  local expiry = redis.call('ZSCORE', expiries, key)
  return not expiry or tonumber(expiry) > now
end

-- The value of an entry that has not expired, or false.
local function live(key)
  local value = redis.call('HGET', entries, key)
  return value and is_live(key) and value
end

-- Removes an entry, expired or not.
local function remove(key)
  local value = redis.call('HGET', entries, key)
  if not value then return end
  redis.call('HDEL', entries, key)
  redis.call('ZREM', keys, key)
  redis.call('ZREM', expiries, key)
  local left = tonumber(redis.call('GET', used) or 0) - cost(key, value)
  if left > 0 then redis.call('SET', used, integer(left)) else redis.call('DEL', used) end
end

-- Sets an entry for which there is room. It expires at a moment, or never if that is 0.
local function insert(key, value, expiry)
  remove(key)
  redis.call('HSET', entries, key, value)
  redis.call('ZADD', keys, 0, key)
  if expiry > 0 then redis.call('ZADD', expiries, integer(expiry), key) end
  redis.call('INCRBY', used, integer(cost(key, value)))
end

-- Removes entries that have expired. Returns how many.
local function remove_expired(limit)
  local expired = redis.call('ZRANGEBYSCORE', expiries, '-inf', integer(now), 'LIMIT', 0, limit)
  for _, key in ipairs(expired) do remove(key) end
  return #expired
end

-- Whether there is room for entries, of which no two have the same key.
local function has_room(max_bytes, set)
  repeat
    local held, added, freed = tonumber(redis.call('GET', used) or 0), 0, 0
    for key, value in pairs(set) do
      added = added + cost(key, value)
      local old = redis.call('HGET', entries, key)
      if old then freed = freed + cost(key, old) end
    end
    -- What makes a store smaller is allowed, even if it holds too much because the limit was lowered.
    if math.max(held - freed, 0) + added <= max_bytes or added <= freed then return true end
  until remove_expired(MAX_EXPIRED_FOR_ROOM) == 0
  return false
end

local calls = {}

-- get KEY...: the values, false for those that there are not.
function calls.get()
  local values, bytes = {}, 0
  for index = 2, #ARGV do
    local value = live(ARGV[index])
    bytes = bytes + (value and #value or 0)
    if bytes > MAX_ANSWER then return redis.error_reply('BATCH too many bytes') end
    values[index - 1] = value
  end
  return values
end

-- list PREFIX LIMIT [AFTER]: the keys; before them the one behind which more follow, or false.
function calls.list()
  local prefix, limit, after = ARGV[2], tonumber(ARGV[3]), ARGV[4]
  local first = '[' .. prefix
  if after and after >= prefix then first = '(' .. after end
  local found, passed_over, offset = { false }, 0, 0
  while true do
    local page = redis.call('ZRANGEBYLEX', keys, first, '+', 'LIMIT', offset, limit + 1)
    offset = offset + #page
    for _, key in ipairs(page) do
      if string.sub(key, 1, #prefix) ~= prefix then return found end
      if #found > limit then
        found[1] = found[#found]
        return found
      end
      if is_live(key) then
        found[#found + 1] = key
      else
        passed_over = passed_over + 1
        if passed_over == MAX_PASSED_OVER then
          found[1] = key
          return found
        end
      end
    end
    if #page <= limit then return found end
  end
end

-- set MAX_BYTES TIME_TO_LIVE KEY VALUE...: the time is in milliseconds, or empty.
function calls.set()
  local set, expiry = {}, 0
  for index = 4, #ARGV, 2 do set[ARGV[index]] = ARGV[index + 1] end
  if not has_room(tonumber(ARGV[2]), set) then return { 'full' } end
  if ARGV[3] ~= '' then expiry = now + tonumber(ARGV[3]) end
  for key, value in pairs(set) do insert(key, value, expiry) end
  return { 'made' }
end

-- delete KEY...
function calls.delete()
  for index = 2, #ARGV do remove(ARGV[index]) end
  return { 'made' }
end

-- increment MAX_BYTES KEY DELTA: by the engine's own command, as numbers of scripts are not exact.
function calls.increment()
  local max_bytes, key, delta = tonumber(ARGV[2]), ARGV[3], ARGV[4]
  local old = live(key)
  local sign, digits = string.match(old or '0', '^([+-]?)0*(%d+)$')
  if not digits then return { 'not-integer' } end
  local plain = (sign == '-' and digits ~= '0') and '-' .. digits or digits
  local stored = redis.call('HGET', entries, key)
  local function restore()
    if stored then redis.call('HSET', entries, key, stored) else redis.call('HDEL', entries, key) end
  end
  redis.call('HSET', entries, key, plain)
  local sum = redis.pcall('HINCRBY', entries, key, delta)
  if type(sum) == 'table' and sum.err then
    restore()
    return { string.find(sum.err, 'overflow') and 'overflow' or 'not-integer' }
  end
  sum = redis.call('HGET', entries, key)
  restore()
  if not has_room(max_bytes, { [key] = sum }) then return { 'full' } end
  local expiry = old and redis.call('ZSCORE', expiries, key)
  insert(key, sum, expiry and tonumber(expiry) or 0)
  return { 'integer', sum }
end

-- swap MAX_BYTES KEY EXPECTED NEW: each of the last two is empty for no entry, or has '=' before the value.
function calls.swap()
  local max_bytes, key, expected, new = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
  local old = live(key)
  if (old and '=' .. old or '') ~= expected then return { 'not-as-expected' } end
  if new == '' then
    remove(key)
    return { 'made' }
  end
  local value = string.sub(new, 2)
  if not has_room(max_bytes, { [key] = value }) then return { 'full' } end
  insert(key, value, 0)
  return { 'made' }
end

local call = ARGV[1]
if call ~= 'get' and call ~= 'list' then remove_expired(MAX_EXPIRED) end
return calls[call]()
