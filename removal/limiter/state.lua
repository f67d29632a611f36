-- One account's bucket: who may call, and when. What is said in one go is one atomic step on Redis' own clock.
--
-- KEYS  the bucket (hash); the recent calls (sorted set: permit -> µs it may be sent at); memos of calls, newest first
-- ARGV  now in µs ('' = Redis' clock), configured rate (calls/s), burst, verbs as JSON: a list of lists, each a verb
--       and what it needs; born and said, as this process was last answered (0 = never)
-- Answers a line for each verb: now, born, epoch, gen, granted (0|1), at, number, waited (0|1), rate in calls/1000 s,
-- head, at of head, gap in ns, tail, said: with head to tail a process knows when any number of the lane is due.
--
-- A queue of numbers decides whose turn it is, roughly; the slot itself is given out a moment before it is
-- due. So a number that is never used, or a closure, moves everybody behind it.
-- born   names this bucket; one that was wiped, or is older than somebody knows it, goes on under another name, and old
--        numbers count for nothing
-- said   how often the bucket was spoken to
-- epoch  goes up at each throttle; gen goes up at each change of the learned rate

local SECOND = 1000000
local PACE = 1.0085 -- a quota's worth of slots spans this many windows
local GUARD = 1.006 -- and never less than this many, whatever the delays: what is left for the way to the server
local GRANTED = 80000 -- no slot is granted longer (µs) than this before it is due
local CATCH_UP = 20000 -- a slot taken up to this late (µs) does not delay those behind it
local FLOOR = 0.2 -- learned rate never falls below this (or a quarter of the configured rate)
local STEP = 0.02 -- share of the rate, a careful step up or down
local CUT = 0.7 -- the most that is cut off at once leaves this share of the rate
local SEEN, SEEN_CUT = 3, 0.5 -- calls in the window of a refused one from which the quota is guessed; not below this share
local PROOF = 1.1 -- seconds' worth of successes that show a rate works
local PROOF_OKS = 3 -- and never fewer successes than these
local STRAY_RATE, MOST_STRAYS = 15, 2 -- at every so many calls/s one more refusal is forgiven, but not more than so many
local FULL = 0.9 -- of the window's calls, when its last one was refused: fewer show a lower quota at once
local STRAY_PROOF = 3 -- seconds' worth of successes after which they are forgotten
local CALM_OKS = 20 -- successes that it takes besides: where calls are few, seconds' worth of them are no more than one
local EXCUSED, LEAST_EXCUSED = 0.1, 2 -- share of a second's calls that may be refused, put down to those that left late
local PATIENCE, MOST_PATIENCE = 4, 12 -- seconds' worth just below a known limit before trying it again;
local PATIENCE_CALLS, SLOW_PATIENCE = 60, 25 -- at slow rates as many calls, but not more seconds than this
local CLOSURE, MOST_CLOSURE = 0.25 * SECOND, 30 * SECOND
local MOST_BAN = 3600 * SECOND
local CUTS_BLIND = 3 -- with no success in between, further cuts tell nothing about the rate
local LATENCY_WEIGHT = 0.05
local KEPT_SECONDS = 86400
local MEMOS, MEMO_SECONDS = 200000, 7 * 86400 -- so many calls are remembered, and for so long
local RIVAL = 10 * SECOND -- so long after a process last asked for it, a lower configured rate still holds for all
local DEAD_AFTER = 250000 -- an interactive number this overdue (µs) no longer holds bulk back

local LANES = { 'interactive', 'bulk' }

local bucket, recent, memos = KEYS[1], KEYS[2], KEYS[3]
local asked, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local known_born, known_said = tonumber(ARGV[5]), tonumber(ARGV[6])
local configured = asked
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * SECOND + time[2]
end

local was, s = {}, {}
local flat = redis.call('HGETALL', bucket)
for i = 1, #flat, 2 do
  s[flat[i]] = tonumber(flat[i + 1])
  was[flat[i]] = s[flat[i]]
end

-- Quotas are whole calls in a second: 24.7 means 24. Below one a second the window is stretched instead.
local function quota(rate)
  if rate >= 1 then
    return math.floor(rate + 1e-9), SECOND
  end
  return 1, SECOND / rate
end

local function fit(rate)
  local low = math.min(FLOOR, configured / 4)
  rate = math.max(low, math.min(configured, rate))
  return rate >= 1 and math.floor(rate + 1e-9) or rate
end

local function above(rate)
  return rate >= 1 and math.max(1, math.floor(rate * STEP)) or rate * 0.1
end

local function below(rate)
  return rate >= 2 and fit(rate - math.max(1, math.floor(rate * STEP))) or fit(rate * 0.9)
end

local calls, window, gap

local function set_pace()
  calls, window = quota(s.learned)
  gap = window * PACE / calls
end

local function set_rate(rate, hold)
  s.learned, s.hold, s.progress, s.passed, s.gen = fit(rate), hold, 0, 0, s.gen + 1
  set_pace()
end

-- Nobody knows what was called just before this, or is about to be: slots that were granted are still used.
local function forget_promises()
  redis.call('DEL', recent)
  s.born = math.max(now, (s.born or 0) + 1, known_born + 1)
  s.clock, s.due, s.late_from, s.late_until, s.kept = now, now, 0, 0, 0
  for _, lane in ipairs(LANES) do
    s[lane .. ':head'], s[lane .. ':tail'], s[lane .. ':at'] = 0, 0, now
  end
  local _, window = quota(configured)
  s.blind = now + GRANTED
  s.closed = math.max(s.closed, s.blind + math.ceil(window * GUARD))
end

local function start()
  redis.call('DEL', bucket)
  was, s = {}, { epoch = 0, oks = 0, throttled = 0, failed = 0, closed = 0, newest = 0, said = 0 }
  s.gen, s.configured, s.strikes, s.clean, s.lowered, s.excused, s.calm, s.calm_oks = 0, 0, 0, 0, 0, 0, 0, 0
  forget_promises()
end

local function is_asked_rate(field)
  return string.sub(field, 1, 6) == 'asked:'
end

-- What was learned and configured is as good as ever; by which clock it was noted is not known.
local function go_on()
  for field in pairs(s) do
    if field == 'asked' or is_asked_rate(field) then
      s[field] = now
    end
  end
  forget_promises()
end

-- Which server this is, where it may be asked.
local function server()
  local told = redis.pcall('INFO', 'server')
  local id = type(told) == 'string' and string.match(told, 'run_id:(%x+)')
  return id and tonumber(string.sub(id, 1, 12), 16)
end

-- A bucket of an earlier version knows nothing of these.
for _, field in ipairs({ 'late_from', 'late_until', 'excused', 'calm', 'calm_oks', 'blind', 'newest', 'kept', 'said' }) do
  s[field] = s[field] or 0
end

-- A replica that took over, and a server that was restarted, may lack the last moments before that; so does what was put
-- back, of which a process knows a later state.
local here = server()
local is_behind = s.born and (known_born > s.born or known_born == s.born and known_said > s.said)
-- A clock that went back by more than a blink would stop all calls until it is where it was.
if not s.born or now + SECOND < s.clock then
  start()
elseif is_behind or here and s.server and here ~= s.server then
  go_on()
elseif s.kept > 0 and redis.call('EXISTS', recent) == 0 then
  s.blind, s.kept = math.max(s.blind, s.newest), 0 -- the calls alone were evicted, or are of no more interest
end
now = math.max(now, s.clock or 0)
s.clock, s.said, s.server = now, s.said + 1, here or s.server

local outdated = {}

-- The lowest rate that was asked for lately, by whomever.
local function lowest()
  s['asked:' .. ARGV[2]] = now
  local rate = s.configured > 0 and now - (s.asked or 0) <= RIVAL and math.min(asked, s.configured) or asked
  for field, at in pairs(s) do
    if is_asked_rate(field) and now - at > RIVAL then
      s[field] = nil
      outdated[#outdated + 1] = field
    elseif is_asked_rate(field) then
      rate = math.min(rate, tonumber(string.sub(field, 7)))
    end
  end
  return rate
end

-- The lowest rate that any process of the fleet is configured to is the one of all, and what was learned below it stays.
local function agree()
  local agreed = lowest()
  if s.configured == 0 then
    s.configured, s.top, s.good, s.jump, s.cuts, s.patience = asked, 0, 0, 0, 0, PATIENCE
    s.oks_since, s.refused_since, s.granted_since = 0, 0, 0
    set_rate(asked, PROOF)
  elseif agreed < s.configured then
    configured, s.configured = agreed, agreed
    if s.learned > fit(agreed) then
      s.good = math.min(s.good, fit(agreed))
      set_rate(agreed, PROOF)
    end
  elseif agreed > s.configured then
    configured = s.configured
    local is_free = s.top == 0 and s.learned >= fit(configured)
    configured, s.configured = agreed, agreed
    if is_free then
      set_rate(agreed, PROOF)
    end
  end
  configured = s.configured
  if asked == configured then
    s.asked = now
  end
end

agree()
set_pace()
local burst_slack = (math.min(burst, calls) - 1) * gap
