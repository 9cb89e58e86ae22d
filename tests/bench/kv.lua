-- wrk: PUT or GET of 256 B over a range of keys.
--	wrk ... -s kv.lua URL -- put|get KEYS
-- Prints RESULT requests/s, p50, p99, p99.9 in us, answers that are not 200.
local threads = {}

function setup(thread)
	thread:set("id", #threads)
	table.insert(threads, thread)
end

function init(args)
	local verb, keys = args[1], tonumber(args[2])
	local value = string.rep("x", 256)

	-- Made beforehand: the generator shares the cores with the server.
	ready = {}
	for i = 0, keys - 1 do
		local target = "/hustdb/" .. verb .. "?key=key:" .. i

		if verb == "put" then
			ready[i] = wrk.format("POST", target, nil, value)
		else
			ready[i] = wrk.format("GET", target)
		end
	end
	count = keys
	bad = 0
	at = id * 7919 % keys
end

function request()
	at = (at + 1) % count
	return ready[at]
end

function response(status)
	if status ~= 200 then
		bad = bad + 1
	end
end

function done(summary, latency)
	local e = summary.errors
	local wrong = e.connect + e.read + e.write + e.timeout

	for _, t in ipairs(threads) do
		wrong = wrong + t:get("bad")
	end
	io.write(string.format("RESULT %.1f %d %d %d %d\n",
	    summary.requests / (summary.duration / 1e6), latency:percentile(50),
	    latency:percentile(99), latency:percentile(99.9), wrong))
end
