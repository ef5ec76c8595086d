-- ARGV[3]: the most events that are kept, ARGV[4]: the milliseconds for which the keys stay, ARGV[5]: the channel, ARGV[6] and ARGV[7]: the
-- message before and behind the id. Returns the id.
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[3], epoch .. '-*', 'b', ARGV[6], 'e', ARGV[7], 't', now)
keep(ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[6] .. id .. ARGV[7])
return id
