#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

enum class Mode : uint8_t {
    closed,  // each connection has one request outstanding; the next one starts when its answer is there
    open,    // requests start at a rate, whatever the answers do; latency counts from the intended start
    idle,    // each connection makes one request, then all are kept open
};

struct LoadOptions {
    Mode mode = Mode::closed;
    std::string target = "127.0.0.1:9000";
    std::string path = "/v1/chat/completions";
    uint32_t connections = 64;
    double duration_s = 5;
    double warmup_s = 1;
    double ramp_s = 0;   // connections are opened evenly over this time
    uint64_t count = 0;  // ends the run after as many answers; 0: after duration_s
    double rate = 2000;  // of the open loop, per second
    bool poisson = true;
    size_t prompt_bytes = 300;
    std::vector<std::string> headers;
    bool tls = false;  // speaks TLS with the target
    bool stream = false;
    bool include_usage = false;
    std::string mock;        // parameters for loom-mock, sent in the body's field `user`
    std::vector<int> watch;  // processes whose CPU time and memory are read when the measured window opens and closes
};

}  // namespace bench
