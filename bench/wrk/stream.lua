-- A streamed chat completion; one "request" of wrk is one whole stream.
--
--   LOOM_KEY=bench-key wrk -t1 -c64 -d10s --latency -s bench/wrk/stream.lua http://127.0.0.1:8080/v1/chat/completions
--
-- In front of loom-mock, LOOM_MOCK says what it streams, e.g. LOOM_MOCK=events=200,interval_us=20000,per_write=1
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. (os.getenv("LOOM_KEY") or "bench-key")
wrk.body = '{"model":"' .. (os.getenv("LOOM_MODEL") or "mock-1") .. '","stream":true,' ..
    '"messages":[{"role":"user","content":"Count to two hundred."}],' ..
    '"user":"mock:' .. (os.getenv("LOOM_MOCK") or "events=200") .. '"}'

-- wrk hands over the body without its chunk framing: the end mark tells that the stream was whole.
function response(status, headers, body)
    if status ~= 200 or not body:find("data: [DONE]", -64, true) then
        io.stderr:write("status " .. status .. ", stream not whole: " .. body:sub(-200) .. "\n")
        wrk.thread:stop()
    end
end
