-- A chat completion with a large prompt of many messages, 64 KiB unless PROMPT_BYTES says another size.
--
--   PROMPT_BYTES=1048576 wrk -t1 -c16 -d10s --latency -s bench/wrk/large.lua http://127.0.0.1:8080/v1/chat/completions
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. (os.getenv("LOOM_KEY") or "bench-key")

local prompt_bytes = tonumber(os.getenv("PROMPT_BYTES") or "65536")
local prose = string.rep("What the client sees is what the model wrote, in order and without loss. ", 13)
local message = '{"role":"user","content":"' .. prose .. '\\n"}'
local head = '{"model":"' .. (os.getenv("LOOM_MODEL") or "mock-1") .. '","messages":['
local count = math.max(1, math.floor((prompt_bytes - #head) / (#message + 1)))
wrk.body = head .. string.rep(message .. ",", count - 1) .. message .. "]}"

function response(status, headers, body)
    if status ~= 200 then
        io.stderr:write("status " .. status .. ": " .. body .. "\n")
        wrk.thread:stop()
    end
end
