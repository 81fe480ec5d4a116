-- wrk ... -s wrk.lua URL -- FILE: sends the requests of FILE in turn, a line each: METHOD PATH BODY.
local requests, nth = {}, 0

function init(args)
    for line in io.lines(args[1]) do
        local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
        wrk.headers["Content-Type"] = method == "POST" and "application/json" or nil
        requests[#requests + 1] = wrk.format(method, path, nil, body ~= "" and body or nil)
    end
end

function request()
    nth = nth % #requests + 1
    return requests[nth]
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format('{"requests": %d, "seconds": %f, "failed": %d, "p50_ms": %f, "p99_ms": %f, "max_ms": %f}',
        summary.requests, summary.duration / 1e6,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
