-- The queue, the slots and what the verbs do. Comes after state.lua and learning.lua.

-- The earliest time the next call may be sent, idle time left aside. Until `blind`, nobody counted.
local function base()
  local at = math.max(s.due, s.closed, s.blind + window * GUARD)
  local nth = redis.call('ZRANGE', recent, -calls, -calls, 'WITHSCORES')
  return nth[2] and math.max(at, tonumber(nth[2]) + window * GUARD) or at
end

local function turn(lane, number)
  return s[lane .. ':at'] + (number - s[lane .. ':head']) * gap
end

local function interactive_waiting()
  local head, tail = s['interactive:head'], s['interactive:tail']
  if tail <= head or turn('interactive', tail - 1) < now - DEAD_AFTER then
    return 0
  end
  return tail - head
end

local ANSWER = string.rep('%.0f ', 13) .. '%.0f'

local function answer(lane, granted, at, number, waited)
  local rate = math.floor(s.learned * 1000 + 0.5)
  local head, tail = s[lane .. ':head'], s[lane .. ':tail']
  local head_at = math.ceil(s[lane .. ':at'])
  return string.format(ANSWER, now, s.born, s.epoch, s.gen, granted, math.ceil(at), number, waited, rate,
    head, head_at, math.floor(gap * 1000), tail, s.said)
end

local function reserve(lane)
  local number, earliest = s[lane .. ':tail'], base()
  if lane == 'bulk' then
    earliest = earliest + interactive_waiting() * gap
  end
  if turn(lane, number) < now - burst_slack then
    -- Nobody is before this one any more, or only numbers that will never be used.
    s[lane .. ':head'], s[lane .. ':at'] = number, math.max(earliest, now - burst_slack)
  else
    s[lane .. ':at'] = math.max(s[lane .. ':at'], earliest)
  end
  s[lane .. ':tail'] = number + 1
  if lane == 'interactive' and s['bulk:tail'] > s['bulk:head'] then
    s['bulk:at'] = s['bulk:at'] + gap
  end
  local at = turn(lane, number)
  return answer(lane, 0, at, number, at > now + 1000 and 1 or 0)
end

-- What the callers' own database may lose; a call that was not made after all is told with a minus.
local function remember(memo, at, sign)
  if memo and memo ~= '' then
    redis.call('LPUSH', memos, string.format('%s%s %.0f', sign, memo, at / SECOND))
    redis.call('LTRIM', memos, 0, MEMOS - 1)
    redis.call('EXPIRE', memos, MEMO_SECONDS)
  end
end

local function note(slot, member)
  redis.call('ZADD', recent, string.format('%.0f', slot), member)
  s.newest = math.max(s.newest, slot)
end

local function grant(lane, number, born, waited, ahead, memo)
  if born ~= s.born then
    return reserve(lane)
  end
  local member = lane .. number
  if redis.call('ZREM', recent, member) == 1 then
    s.due = s.due - gap
  end
  local earliest = base()
  -- Whatever moved the slots meanwhile, bulk stays behind who is before it.
  local behind = lane == 'bulk' and interactive_waiting() * gap or 0
  s[lane .. ':at'] = math.max(s[lane .. ':at'], earliest + behind)
  local at = math.max(earliest + behind, turn(lane, number))
  if at > now + ahead then
    return answer(lane, 0, at, number, waited)
  end
  local slot = math.ceil(math.max(earliest, now))
  -- Time that was lost to delays is made up for; idle time and closures are not, but for a burst.
  local paced = waited == 1 and math.max(s.due, s.closed, slot - CATCH_UP) or slot
  s.due = math.min(paced, math.max(s.due, slot - burst_slack)) + gap
  s[lane .. ':head'] = math.max(s[lane .. ':head'], number + 1)
  s[lane .. ':at'] = s.due
  if lane == 'bulk' then
    s['bulk:at'] = s.due + interactive_waiting() * gap
  end
  s.granted_since = s.granted_since + 1
  note(slot, member)
  redis.call('ZREMRANGEBYSCORE', recent, '-inf', string.format('(%.0f', now - 2 * window - SECOND))
  redis.call('PEXPIRE', recent, math.ceil(3 * window / 1000) + 5000)
  remember(memo, slot, '')
  return answer(lane, 1, slot, number, waited)
end

local lates = 0

-- A call that goes out late counts from when it really goes, which is `delay` from now. Each has a slot of its own.
local function late(lane, number, born, epoch, waited, delay, memo)
  local score = redis.call('ZSCORE', recent, lane .. number)
  if born ~= s.born or epoch ~= s.epoch or not score or now - score > window / 2 then
    return grant(lane, number, born, waited, delay, memo)
  end
  local slot = now + delay + lates
  lates = lates + 1
  note(slot, lane .. number)
  return answer(lane, 1, slot, number, waited)
end

-- A call that left late before anybody knew counts from when it left; seconds that hold it may hold one too many.
local function slip(lane, number, born, waited, by)
  local score = born == s.born and tonumber(redis.call('ZSCORE', recent, lane .. number) or '')
  if score then
    local left = score + by
    note(left, lane .. number)
    s.late_from = score > s.late_until and score or math.min(s.late_from, score)
    s.late_until = math.max(s.late_until, left + window)
  end
  return answer(lane, 0, now, number, waited)
end

local function give_back(lane, number, born)
  if born ~= s.born then
    return
  end
  if redis.call('ZREM', recent, lane .. number) == 1 then
    s.due = s.due - gap
  elseif number == s[lane .. ':tail'] - 1 and number >= s[lane .. ':head'] then
    s[lane .. ':tail'] = number
  elseif number >= s[lane .. ':head'] then
    s[lane .. ':at'] = s[lane .. ':at'] - gap
  end
end

-- How many calls went out in the window that ended with this one.
local function calls_before(score)
  return redis.call('ZCOUNT', recent, string.format('(%.0f', score - window), string.format('(%.0f', score))
end

-- Everybody who waits moves, and none of those who come meanwhile goes before them.
local function shift_queues()
  local earliest = base()
  for _, lane in ipairs(LANES) do
    if turn(lane, s[lane .. ':tail']) >= now then
      s[lane .. ':at'] = math.max(s[lane .. ':at'], earliest)
    end
  end
end

local function settle(lane, number, born, waited, memo, epoch, gen, rate, outcome, ban, latency)
  if outcome == 'unused' then
    remember(memo, now, '-')
    give_back(lane, number, born)
    return answer(lane, 0, now, number, waited)
  end
  local count = outcome == 'ok' and 'oks' or outcome
  s[count] = s[count] + 1
  if latency then
    s.latency = s.latency and s.latency + LATENCY_WEIGHT * (latency - s.latency) or latency
  end
  if outcome == 'throttled' then
    if ban then
      s.closed = math.max(s.closed, now + math.min(MOST_BAN, ban))
    end
    local score = tonumber(redis.call('ZSCORE', recent, lane .. number) or now)
    local seen = calls_before(score)
    rate = math.min(rate, s.learned)
    if born == s.born and is_of_late_calls(score) then
      s.progress, s.passed = 0, 0
    elseif born == s.born and epoch == s.epoch and (not is_stray(rate, seen) or ban) then
      lower(rate, seen, ban)
    else
      s.refused_since = s.refused_since + 1
    end
    shift_queues()
  elseif outcome == 'ok' and born == s.born then
    succeed(epoch, gen, waited)
  end
  return answer(lane, 0, now, number, waited)
end

-- Each answers for itself, as the bucket was after it; all of them at one moment.
local function apply(verb, lane, number, born, waited, memo, ahead, epoch, gen, rate, outcome, ban, latency)
  if verb == 'reserve' then
    return reserve(lane)
  elseif verb == 'grant' then
    return grant(lane, number, born, waited, ahead, memo)
  elseif verb == 'forget' then
    remember(memo, now, '-')
    return answer(lane, 0, now, number, waited)
  elseif verb == 'late' then
    return late(lane, number, born, epoch, waited, ahead, memo)
  elseif verb == 'slip' then
    return slip(lane, number, born, waited, ahead)
  elseif verb == 'settle' then
    return settle(lane, number, born, waited, memo, epoch, gen, rate / 1000, outcome, ban, latency)
  end
  error('unknown verb ' .. verb)
end

local answers = {}
for i, words in ipairs(cjson.decode(ARGV[4])) do
  answers[i] = apply(unpack(words))
end

s.gap, s.kept = gap, redis.call('ZCARD', recent)
local changed = {}
for field, value in pairs(s) do
  if was[field] ~= value then
    changed[#changed + 1] = field
    changed[#changed + 1] = string.format('%.17g', value)
  end
end
if #changed > 0 then
  redis.call('HSET', bucket, unpack(changed))
end
if #outdated > 0 then
  redis.call('HDEL', bucket, unpack(outdated))
end
redis.call('EXPIRE', bucket, KEPT_SECONDS)
return table.concat(answers, '\n')
