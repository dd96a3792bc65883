-- Leases out what may be sent, for many limits in one call. Times are microseconds of this server; see the package's story.
--
-- KEYS: epoch, members, then one for each operation.
-- ARGV: time (0: this server's), epoch to replace or "", id of the instance, milliseconds that a member counts,
--       microseconds: life of a lease (D), look-ahead (L), settling time of an epoch; then eight for each operation:
--       kind, limit, want, need, back, until, returned, age.
-- Returns: time, epoch, age of the epoch, members, then four for each operation: granted, microseconds until it makes sense
--       to ask again, and two that a lease is given back with.
local minute, step = 60000000, 500000
local now = tonumber(ARGV[1])
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local keep = 1
if ARGV[1] ~= '0' then keep = 1000 end -- a given time may run ahead of that by which keys expire
local me, life, D, L, settling = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local function numbers(text)
  local all = {}
  for n in string.gmatch(text, '%S+') do all[#all + 1] = tonumber(n) or 0 end
  return all
end

local function int(n) return string.format('%.0f', n) end

-- The epoch is when this server began to remember. It begins anew when it forgot, or when its clock was set back.
local e = numbers(redis.call('GET', KEYS[1]) or '')
local epoch = e[1]
if not epoch or now < e[2] - 1000000 or now < epoch or (ARGV[2] ~= '' and (ARGV[2] == 'any' or tonumber(ARGV[2]) == epoch)) then
  epoch = now
end
redis.call('SET', KEYS[1], int(epoch) .. ' ' .. int(now), 'EX', 86400)
local young = now - epoch < settling
local settles = young and epoch + settling - now or 0

local members = 0
redis.call('HSET', KEYS[2], me, int(now + life * 1000))
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local ends = tonumber(all[i + 1]) or 0
  if ends > now and ends <= now + 2 * life * 1000 then members = members + 1 else redis.call('HDEL', KEYS[2], all[i]) end
end
redis.call('PEXPIRE', KEYS[2], keep * life)

-- theory brings a theoretical arrival time up to date: what changed hands, and what is known of before.
local function theory(tat, returned, old, limit, T, op)
  if old > 0 and old ~= limit and tat > now then tat = now + (tat - now) * old / limit end
  if op.back > 0 then
    local back = math.min(op.untill - (returned - op.returned) - now, op.back * T)
    if back > 0 then tat, returned = tat - back, returned + back end
  end
  if op.age >= 0 then tat = math.max(tat, now - op.age + T) end
  return tat, returned
end

local function count(key, op)
  local T = (minute + D + L) / op.limit
  local v = numbers(redis.call('GET', key) or '')
  local tat, returned, old = v[2] or 0, v[3] or 0, v[4] or 0
  if v[1] ~= epoch then tat, returned, old = 0, 0, 0 end
  tat, returned = theory(tat, returned, old, op.limit, T, op)
  local granted, after = 0, math.max(tat, now)
  if op.want > 0 and not young and after <= now + L then
    granted = math.min(op.want, math.floor((now + L - after) / T) + 1)
    after = after + math.ceil(granted * T)
    tat = after
  end
  if tat > now then
    redis.call('SET', key, int(epoch) .. ' ' .. int(math.ceil(tat)) .. ' ' .. int(returned) .. ' ' .. int(op.limit), 'PX', keep * (math.ceil((tat - now) / 1000) + 1000))
  elseif v[1] then
    redis.call('DEL', key)
  end
  return granted, math.max(settles, math.ceil(after - L - now)), math.ceil(tat), returned
end

-- sizes is count for bytes: a log of the last minute beside the spacing keeps the sum exact although mails differ in size.
local function sizes(key, op)
  local T = minute / op.limit
  local log, sum, tat, old, known = {}, 0, 0, 0, 0
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if all[i] == 's' then
      local v = numbers(all[i + 1])
      known, tat, old = v[1], v[2], v[3]
    end
  end
  if known ~= epoch then tat, old = 0, 0 end
  if op.back > 0 and known == epoch then
    local at = int(math.floor(op.log))
    local was = tonumber(redis.call('HGET', key, at) or '0')
    if was >= op.back then redis.call('HINCRBY', key, at, -op.back) end
    all = redis.call('HGETALL', key)
  end
  for i = 1, #all, 2 do
    local at = tonumber(all[i])
    if at then
      local bytes = tonumber(all[i + 1])
      if known ~= epoch or bytes <= 0 or (at + 1) * step <= now - minute - D then
        redis.call('HDEL', key, all[i])
      else
        log[#log + 1] = {at, bytes}
        sum = sum + bytes
      end
    end
  end
  tat = theory(tat, 0, old, op.limit, T, op)
  local granted, after, at = 0, math.max(tat, now), math.floor(now / step)
  local hint = math.max(0, after - L - now)
  if op.want > 0 and not young then
    if sum > 0 and sum + op.need > op.limit then
      table.sort(log, function(a, b) return a[1] < b[1] end)
      local left = sum
      for i = 1, #log do
        left = left - log[i][2]
        hint = math.max(hint, (log[i][1] + 1) * step + minute + D - now)
        if left == 0 or left + op.need <= op.limit then break end
      end
    elseif after <= now + L then
      granted = math.max(op.need, math.min(op.want, math.floor((now + L - after) / T), op.limit - sum))
      after = after + math.ceil(granted * T)
      tat = after
      hint = math.max(0, after - L - now)
      redis.call('HINCRBY', key, int(at), int(granted))
    end
  end
  redis.call('HSET', key, 's', int(epoch) .. ' ' .. int(math.ceil(tat)) .. ' ' .. int(op.limit))
  redis.call('PEXPIRE', key, keep * (math.ceil(math.max(tat - now, minute + D + step) / 1000) + 1000))
  return granted, math.ceil(math.max(hint, settles)), math.ceil(tat), at
end

-- slots leases simultaneous connections: need are in use, want more are asked for. The fourth result is 1 when another
-- instance goes short and this one has more than its share.
local function slots(key, op)
  local others, wanting, parties = 0, 0, 1
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local v = numbers(all[i + 1])
    if v[2] <= now and v[3] <= now or v[2] > now + 120000000 then
      redis.call('HDEL', key, all[i])
    elseif all[i] ~= me then
      if v[2] > now then others = others + v[1] end
      if v[3] > now then wanting = wanting + 1 end
      if v[1] > 0 or v[3] > now then parties = parties + 1 end
    end
  end
  local fair = math.max(1, math.floor(op.limit / parties))
  local asked = op.need + op.want
  if young then asked = op.need elseif wanting > 0 then asked = math.min(asked, math.max(fair, op.need)) end
  local granted = math.max(op.need, math.min(asked, op.limit - others))
  local lives, wants = 0, 0
  if granted > 0 then lives = now + 15000000 end
  if op.want > 0 and granted < op.need + op.want then wants = now + 12000000 end
  if lives > 0 or wants > 0 then
    redis.call('HSET', key, me, int(granted) .. ' ' .. int(lives) .. ' ' .. int(wants))
    redis.call('PEXPIRE', key, keep * 16000)
  else
    redis.call('HDEL', key, me)
  end
  local press = 0
  if wanting > 0 and granted > fair then press = 1 end
  return granted, 0, 0, press
end

local kinds = {c = count, b = sizes, s = slots}
local reply = {int(now), int(epoch), int(now - epoch), members}
for i = 3, #KEYS do
  local at = 8 + (i - 3) * 8
  local op = {limit = tonumber(ARGV[at + 1]), want = tonumber(ARGV[at + 2]), need = tonumber(ARGV[at + 3]), back = tonumber(ARGV[at + 4]),
    untill = tonumber(ARGV[at + 5]), returned = tonumber(ARGV[at + 6]), age = tonumber(ARGV[at + 7])}
  if ARGV[at] == 'b' then op.log, op.returned = op.returned, 0 end -- its sum is exact without counting what was returned
  local a, b, c, d = kinds[ARGV[at]](KEYS[i], op)
  for _, n in ipairs({a, b, c, d}) do reply[#reply + 1] = int(n) end
end
return reply
