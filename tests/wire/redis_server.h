// A real redis-server of the test's own, on a free port of loopback, with a directory that goes with it. It keeps
// nothing on the disk: a restart has lost everything.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace loom::wire {

class RedisServer {
  public:
    /// options  of redis-server, "--requirepass secret" as two words. Returns once it answers; throws where there is no
    ///          redis-server (scripts/deps --test).
    explicit RedisServer(std::vector<std::string> options = {});
    ~RedisServer();
    RedisServer(const RedisServer&) = delete;

    [[nodiscard]] uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

    /// Ends it at once; connections break. start() brings it back on the same port, empty.
    void stop();
    void start();
    /// It answers nothing, and its connections stay.
    void stall();
    void go_on();

    /// One command's answer as it stands on the wire, "+PONG\r\n"; the user's words first where it asks for them.
    [[nodiscard]] std::string run(const std::vector<std::string>& words) const;
    /// Keys that match, in no order.
    [[nodiscard]] std::vector<std::string> keys(const std::string& pattern = "*") const;

  private:
    std::vector<std::string> options_;
    std::string directory_;
    std::string password_;
    uint16_t port_ = 0;
    pid_t pid_ = -1;
};

}  // namespace loom::wire
