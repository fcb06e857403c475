-- A chat completion with a short prompt. Needs a running Loom (or any peer); for one on :8080 with a consumer's key:
--
--   LOOM_KEY=bench-key wrk -t1 -c64 -d10s --latency -s bench/wrk/chat.lua http://127.0.0.1:8080/v1/chat/completions
--
-- wrk is a closed loop: its latencies hide what waits before it is sent. scripts/bench measures from the intended start.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. (os.getenv("LOOM_KEY") or "bench-key")
wrk.body = '{"model":"' .. (os.getenv("LOOM_MODEL") or "mock-1") .. '","messages":[' ..
    '{"role":"system","content":"You are a terse assistant."},' ..
    '{"role":"user","content":"Which rivers flow through Vienna, and which of them is the longest?"}],' ..
    '"max_tokens":128,"temperature":0.2}'

function response(status, headers, body)
    if status ~= 200 then
        io.stderr:write("status " .. status .. ": " .. body .. "\n")
        wrk.thread:stop()
    end
end
