-- KEYS: the stream of a history, and the run of the engine in which it began. ARGV[1]: this run of the engine, ARGV[2]: the epoch of
-- a history that begins. A history of another run begins anew: the engine may have lost its last events without knowing.
if redis.call('GET', KEYS[2]) ~= ARGV[1] or redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('XGROUP', 'CREATE', KEYS[1], 'begin', '$', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[1], 'begin')
  redis.call('XSETID', KEYS[1], ARGV[2] .. '-0')
  redis.call('SET', KEYS[2], ARGV[1])
end
local current
local facts = redis.call('XINFO', 'STREAM', KEYS[1])
for at = 1, #facts, 2 do
  if facts[at] == 'last-generated-id' then
    current = facts[at + 1]
  end
end
local epoch = string.match(current, '^%d+')
-- The keys stay at least for this many milliseconds from now.
local function keep(milliseconds)
  for _, key in ipairs(KEYS) do
    if redis.call('PTTL', key) < tonumber(milliseconds) then
      redis.call('PEXPIRE', key, milliseconds)
    end
  end
end
local time = redis.call('TIME')
local now = time[1] .. string.format('%03d', math.floor(time[2] / 1000))
