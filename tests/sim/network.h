// A network made of memory: what lies between the proxy's sockets and the actors at their far ends.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/assert.h"
#include "random.h"
#include "tls_end.h"

namespace loom::sim {

/// How unkind a run is. Chances are per mille of the occasions.
struct Faults {
    uint32_t late = 100;          // a completion that is ready waits for another tick
    uint32_t cut = 200;           // a receive or a send moves less than it could
    uint32_t end_multishot = 10;  // a multishot ends with a result, for reasons of the kernel's
    uint32_t deaf = 0;            // a multishot receive never tells of the end that comes behind its bytes (Linux 6.18)
    uint32_t cancel_races = 250;  // a cancelled receive ends with bytes instead
    uint32_t no_buffers = 0;      // a receive finds no buffer
    uint32_t reset = 0;           // a link breaks when bytes move on it
    uint32_t send_error = 0;      // ENOBUFS, ENOMEM, EPIPE, ETIMEDOUT
    uint32_t accept_error = 0;    // EMFILE, ENFILE, ENOBUFS, ECONNABORTED
    uint32_t connect_error = 0;   // ECONNREFUSED, ETIMEDOUT, ENETUNREACH, or silence
    uint32_t socket_error = 0;    // EMFILE
    uint32_t dns_error = 0;
    size_t pipe_bytes_min = 4096;  // what a socket holds for a reader that is behind
    size_t pipe_bytes_max = 65536;

    [[nodiscard]] bool breaks_links() const noexcept {
        return connect_error + socket_error + dns_error + reset + send_error > 0;
    }
};

/// Bytes on their way in one direction.
class Pipe {
  public:
    explicit Pipe(size_t capacity) : capacity_(capacity) {}

    [[nodiscard]] size_t size() const noexcept { return bytes_.size() - from_; }
    [[nodiscard]] size_t room() const noexcept { return size() < capacity_ ? capacity_ - size() : 0; }
    [[nodiscard]] std::string_view view() const noexcept { return std::string_view(bytes_).substr(from_); }
    void write(std::string_view bytes) { bytes_.append(bytes); }
    void consume(size_t count) {
        from_ += count;
        if (from_ == bytes_.size()) {
            bytes_.clear();
            from_ = 0;
        } else if (from_ > 32 * 1024 && from_ > bytes_.size() / 2) {
            bytes_.erase(0, from_);
            from_ = 0;
        }
    }
    /// What was still in the sender's hands when the connection was reset.
    void keep_only(size_t count) { bytes_.resize(from_ + count); }

    bool ended = false;  // a FIN stands behind the bytes

  private:
    std::string bytes_;
    size_t from_ = 0;
    size_t capacity_;
};

/// One connection: a socket of the proxy's at one end, an actor at the other.
struct Link {
    Link(size_t inward, size_t outward) : to_proxy(inward), to_actor(outward) {}

    Pipe to_proxy;
    Pipe to_actor;
    bool proxy_closed = false;
    bool actor_closed = false;
    bool reset_by_proxy = false;
    bool reset_by_actor = false;  // or by the network
    bool hurt = false;            // something was done to it that no peer did: what it carries may break
};

/// The actor's hold on a link, with TLS on it or without. Everything happens at once on this side; the world's turn
/// decides when.
class FarEnd {
  public:
    FarEnd() = default;
    explicit FarEnd(std::shared_ptr<Link> link, std::shared_ptr<TlsEnd> tls = nullptr)
        : link_(std::move(link)), tls_(std::move(tls)) {}

    [[nodiscard]] explicit operator bool() const noexcept { return link_ != nullptr; }
    /// Returns how many bytes found room.
    size_t write(std::string_view bytes) {
        if (link_->reset_by_actor) return bytes.size();  // broken on the way: nobody gets them
        if (link_->proxy_closed) {                       // answered by a reset
            link_->reset_by_proxy = true;
            return bytes.size();
        }
        if (tls_ != nullptr) return tls_->write(*link_, bytes);
        const size_t count = std::min(bytes.size(), link_->to_proxy.room());
        link_->to_proxy.write(bytes.substr(0, count));
        return count;
    }
    [[nodiscard]] std::string_view readable() const {
        if (tls_ == nullptr) return link_->to_actor.view();
        tls_->pump(*link_);
        return tls_->readable();
    }
    void consume(size_t count) {
        if (tls_ != nullptr) return tls_->consume(count);
        link_->to_actor.consume(count);
    }
    /// The proxy's end, seen once everything before it was read. Of TLS: by close_notify, a FIN alone is a cut.
    [[nodiscard]] bool at_end() const {
        return readable().empty() && (tls_ != nullptr ? tls_->peer_ended() : link_->to_actor.ended);
    }
    [[nodiscard]] bool at_reset() const {
        if (!readable().empty()) return false;
        const bool cut = tls_ != nullptr && !tls_->peer_ended() && (tls_->failed() || link_->to_actor.ended);
        return link_->reset_by_proxy || link_->reset_by_actor || cut;
    }
    void end_sending() {
        if (link_->reset_by_actor) return;  // broken on the way: no FIN comes through
        if (tls_ != nullptr) tls_->end_sending(*link_);
        link_->to_proxy.ended = true;
    }
    void close() {
        if (link_ == nullptr) return;
        end_sending();
        link_->actor_closed = true;
        link_ = nullptr;
        tls_ = nullptr;
    }
    /// `kept`  how many of the bytes that were not yet read reach the proxy all the same.
    void reset(size_t kept) {
        if (link_ == nullptr) return;
        link_->to_proxy.keep_only(std::min(kept, link_->to_proxy.size()));
        link_->to_proxy.ended = false;
        link_->reset_by_actor = true;
        link_->actor_closed = true;
        link_ = nullptr;
        tls_ = nullptr;
    }
    [[nodiscard]] size_t unread_by_proxy() const noexcept { return link_->to_proxy.size(); }
    [[nodiscard]] bool hurt() const noexcept { return link_->hurt; }

  private:
    std::shared_ptr<Link> link_;
    std::shared_ptr<TlsEnd> tls_;  // null: plain
};

/// Who answers connections to a port.
class Host {
  public:
    virtual void on_connection(FarEnd end) = 0;

  protected:
    ~Host() = default;
};

/// The proxy's listeners.
enum class Door : uint8_t { clients, admin };

struct Listener {
    std::deque<std::shared_ptr<Link>> backlog;
    bool listening = false;
};

class Network {
  public:
    Network(Random& random, const Faults& faults) : random_(random), faults_(faults) {}

    void listen(uint16_t port, Host& host) { hosts_.push_back({port, &host}); }
    [[nodiscard]] Host* host_at(uint16_t port) const noexcept {
        for (const auto& [at, host] : hosts_)
            if (at == port) return host;
        return nullptr;
    }
    [[nodiscard]] std::shared_ptr<Link> make_link() {
        const auto bytes = [this] { return random_.between(faults_.pipe_bytes_min, faults_.pipe_bytes_max); };
        const size_t inward = bytes();
        return std::make_shared<Link>(inward, bytes());
    }
    /// A client knocks. Refused (an empty end) where nobody listens.
    [[nodiscard]] FarEnd knock(Door door = Door::clients) {
        Listener& at = listener(door);
        if (!at.listening) return FarEnd();
        at.backlog.push_back(make_link());
        const bool tls = tls_clients && door == Door::clients;
        return FarEnd(at.backlog.back(), tls ? std::make_shared<TlsEnd>(TlsEnd::Role::client) : nullptr);
    }
    /// The proxy has connected to a host.
    [[nodiscard]] FarEnd host_end(std::shared_ptr<Link> link) const {
        return FarEnd(std::move(link), tls_hosts ? std::make_shared<TlsEnd>(TlsEnd::Role::server) : nullptr);
    }
    [[nodiscard]] Listener& listener(Door door) noexcept { return listeners_[static_cast<size_t>(door)]; }
    [[nodiscard]] Random& random() noexcept { return random_; }
    [[nodiscard]] const Faults& faults() const noexcept { return faults_; }

    bool tls_clients = false;
    bool tls_hosts = false;

  private:
    Random& random_;
    const Faults& faults_;
    std::vector<std::pair<uint16_t, Host*>> hosts_;
    std::array<Listener, 2> listeners_;
};

}  // namespace loom::sim
