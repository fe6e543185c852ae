-- wrk asks TARGET for the lines of the file USERS by chance, where TARGET has @, and prints what came of it.

local requests = {}

function init(args)
  math.randomseed(42)
  for user in io.lines(os.getenv("USERS")) do
    requests[#requests + 1] = wrk.format("GET", (os.getenv("TARGET"):gsub("@", user)))
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('found {"requests": %d, "seconds": %.6f, "p50": %.4f, "p99": %.4f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
