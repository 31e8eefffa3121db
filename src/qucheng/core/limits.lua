-- GCRA in one call: the time at which the bucket would be empty again moves on by one interval for each unit taken, and may not
-- lie more than the burst ahead of now. The clock is the server's, so all processes have the same. Microseconds, as integers.
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local empty_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local then_empty_at = empty_at + cost * interval
local wait = then_empty_at - burst * interval - now
if wait > 0 then
    return {0, math.floor((now + burst * interval - empty_at) / interval), wait, empty_at - now}
end
redis.call('SET', KEYS[1], string.format('%.0f', then_empty_at), 'PX', math.ceil((then_empty_at - now) / 1000))
return {1, math.floor(-wait / interval), 0, then_empty_at - now}
