-- Arguments: endpoint, objects (0: a new one for each request), prefix of their names.
-- Prints one line of JSON at the end: wrk's own text is for people.

function init(args)
  endpoint, objects, prefix = args[1], tonumber(args[2]), args[3]
  count = 0
  ready = {}
  for number = 1, objects do
    ready[number] = wrk.format("GET", path(number))
  end
end

function path(number)
  return "/actors/Bench/" .. prefix .. number .. "/" .. endpoint
end

function request()
  count = count + 1
  if objects == 0 then
    return wrk.format("GET", path(count))
  end
  return ready[(count - 1) % objects + 1]
end

function done(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  print(string.format(
    '{"requests":%d,"elapsed_us":%d,"errors":%d,"p50_us":%d,"p99_us":%d}',
    summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99)))
end
