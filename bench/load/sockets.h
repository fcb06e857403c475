#pragma once
// Sockets, clock and pinning for the mock and the load client: the little of POSIX that both need.
#include <cstdint>
#include <string_view>

namespace bench {

int64_t now_ns();

/// Non-blocking IPv4 TCP with TCP_NODELAY. `address` is "127.0.0.1:9000". Both end the program with a message when
/// they cannot: there is nothing to measure then.
int listen_on(std::string_view address);
int start_connect(std::string_view address);

void pin_to_cpu(int cpu);
void raise_fd_limit();
[[noreturn]] void die(const char* what);

}  // namespace bench
