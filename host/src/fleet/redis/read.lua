-- ARGV[3]: the last id that is known, ARGV[4]: the milliseconds for which the keys stay, ARGV[5]: the most events. Returns the last id, the
-- time, and the events behind the one that is known, or all of them if it is of another history.
keep(ARGV[4])
local from = '-'
if string.match(ARGV[3], '^%d+') == epoch then
  from = '(' .. ARGV[3]
end
return {current, now, redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[5])}
