// Plain blocking sockets with deadlines, and the one barrier that the tests need: the peer has read all that was sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace loom::wire {

/// The other side did not do what the script says. A test that throws it fails with this text.
struct WireError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Every wait ends: ten seconds unless a test says otherwise (sanitizer builds are given four times as long).
class Deadline {
  public:
    static Deadline in(std::chrono::milliseconds time);
    static Deadline standard() { return in(std::chrono::seconds(10)); }
    [[nodiscard]] int ms_left() const;  // 0 when it has passed
    [[nodiscard]] bool passed() const { return ms_left() == 0; }
    void check(const std::string& waited_for) const;  // throws WireError once it has passed

  private:
    std::chrono::steady_clock::time_point at_;
};

/// Asks `condition` again and again until it holds; throws WireError at the deadline.
template <class Condition>
void wait_until(const std::string& waited_for, Condition condition, Deadline deadline = Deadline::standard());
void pause_between_polls();

class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd() { close(); }
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }
    int release();
    void close();
    void reset();  // closes with RST: SO_LINGER of zero seconds

  private:
    int fd_ = -1;
};

struct Listening {
    Fd fd;
    uint16_t port = 0;
};

/// `port` 0 is any free one; a given one may have been used before, by somebody who has closed it.
[[nodiscard]] Listening listen_on_loopback(int send_buffer_bytes = 0, uint16_t port = 0);
/// On [::1] alone, where 127.0.0.1 refuses.
Listening listen_on_loopback6();
[[nodiscard]] uint16_t free_port();  // free at the time of asking
[[nodiscard]] Fd connect_loopback(uint16_t port, int receive_buffer_bytes = 0);
/// To 127.0.0.1 as another client: from 127.0.0.`host`.
[[nodiscard]] Fd connect_loopback_from(uint8_t host, uint16_t port);
[[nodiscard]] Fd connect_unix(const std::string& path);
[[nodiscard]] bool can_connect(uint16_t port);

/// False when the peer has closed or reset; throws at the deadline.
[[nodiscard]] bool send_all(int fd, std::string_view bytes, Deadline deadline = Deadline::standard());

enum class Got : uint8_t { bytes, fin, rst };
/// Appends what has come to `into`.
Got receive(int fd, std::string& into, Deadline deadline = Deadline::standard());

/// Returns once the process at the other end has taken every byte sent so far out of its socket: what is sent next is
/// another read for it. This is how a script cuts bytes without sleeping. Returns false when the peer has closed.
bool wait_until_peer_has_read(int fd, Deadline deadline = Deadline::standard());

void raise_descriptor_limit();
[[nodiscard]] bool is_sanitized();  // LOOM_SANITIZED: bounds of memory and time are wider there

template <class Condition>
void wait_until(const std::string& waited_for, Condition condition, Deadline deadline) {
    while (!condition()) {
        deadline.check(waited_for);
        pause_between_polls();
    }
}

}  // namespace loom::wire
