-- How the learned rate follows the quota there is. Comes after state.lua, before verbs.lua.

-- Up: in thirds towards the rate that failed, wait just below it, try it, and past it faster and faster.
local function raise()
  local rate, top = s.learned, s.top
  if top > 0 and rate < below(top) then
    s.jump = 0
    local aim = math.min(below(top), rate + math.max(above(rate), (top - rate) / 3))
    set_rate(aim, aim >= below(top) and s.patience or PROOF)
    return
  end
  if top > 0 and rate >= top then
    s.top, s.patience = 0, PATIENCE
  end
  s.jump = math.max(above(rate), s.jump * 2)
  set_rate(rate + s.jump, PROOF)
end

-- Down: back to the rate that worked. A slow rate that worked until now gets a second chance, as calls that the network
-- bunched up are refused, too. Else by what the window of the refused call tells, or the share that fails, or a cut.
local function lower(rate, seen, banned)
  if s.oks_since > 0 then
    s.cuts = 0
  end
  local share = 1 - (s.refused_since + 1) / math.max(1, s.granted_since)
  if s.good > 0 and rate > s.good then
    if s.top > 0 and rate >= s.top then
      s.patience = s.patience * 2
    end
    s.top = rate
    local slow = math.min(SLOW_PATIENCE, PATIENCE_CALLS / s.good)
    s.patience = math.max(slow / 3, math.min(s.patience, math.max(MOST_PATIENCE, slow)))
    set_rate(s.good, s.good >= below(rate) and s.patience or PROOF)
  elseif s.good > 0 and s.strikes == 1 and seen >= calls * FULL then
    s.top = 0
    set_rate(rate, PROOF)
  elseif seen >= SEEN and seen <= rate * CUT then
    s.top = rate
    set_rate(math.max(rate * SEEN_CUT, seen), PROOF)
  elseif share > CUT then
    s.top = 0
    set_rate(math.min(below(rate), rate * share), PROOF)
  else
    if s.cuts < CUTS_BLIND then
      s.top = s.top > 0 and math.min(s.top, rate) or rate
      set_rate(rate * CUT, PROOF)
    else
      s.top = 0
    end
    if not banned then
      s.closed = math.max(s.closed, now + math.min(MOST_CLOSURE, CLOSURE * 2 ^ s.cuts))
    end
    s.cuts = math.min(s.cuts + 1, 20)
  end
  s.good, s.jump, s.strikes, s.lowered, s.epoch = 0, 0, 0, 1, s.epoch + 1
  s.oks_since, s.refused_since, s.granted_since = 0, 0, 0
end

-- One refusal may be a call that the machine or the network held up: the faster the calls, the more of them must come
-- together before they tell of a lower quota. That needs a rate that is proven, or new, and a window as full as it allows.
local function is_stray(rate, seen)
  if s.strikes == 0 and s.lowered == 0 then
    s.refused_since, s.granted_since = 0, 0
  end
  s.strikes, s.clean, s.progress, s.passed = s.strikes + 1, 0, 0, 0
  if s.lowered == 1 or s.good > 0 and rate > s.good or seen < calls * FULL then
    return false
  end
  return s.strikes <= math.min(MOST_STRAYS, math.floor(rate / STRAY_RATE))
end

-- Whether a refusal is put down to calls that left late, as their senders say, and not to the quota. Where it is the
-- quota after all, more of them come than late calls can explain.
local function is_of_late_calls(score)
  if score < s.late_from or score > s.late_until then
    return false
  end
  s.excused, s.calm, s.calm_oks = s.excused + 1, 0, 0
  return s.excused <= math.max(LEAST_EXCUSED, math.floor(calls * EXCUSED))
end

local function succeed(epoch, gen, waited)
  s.oks_since = s.oks_since + 1
  s.clean = s.clean + window / SECOND / calls
  if s.clean >= STRAY_PROOF then
    s.strikes = 0
  end
  s.calm, s.calm_oks = s.calm + window / SECOND / calls, s.calm_oks + 1
  if s.calm >= STRAY_PROOF and s.calm_oks >= CALM_OKS then
    s.excused = 0
  end
  if epoch ~= s.epoch or gen ~= s.gen or waited ~= 1 then
    return -- says nothing about the rate of now
  end
  s.progress, s.passed = s.progress + window / SECOND / calls, s.passed + 1
  if s.progress < PROOF or s.passed < PROOF_OKS then
    return
  end
  if s.good < s.learned then
    s.good, s.cuts, s.lowered = s.learned, 0, 0
    if s.learned >= fit(configured) then
      s.patience = PATIENCE
      s.top = s.learned >= s.top and 0 or s.top
    end
  end
  if s.progress >= s.hold and s.learned < fit(configured) then
    raise()
  end
end
