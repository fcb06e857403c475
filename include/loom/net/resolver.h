// Names to addresses, by c-ares 1.18 on one service thread: a shard never waits for DNS, nor for /etc/hosts.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loom/base/result.h"
#include "loom/net/address.h"

namespace loom::net {

/// Who knows the addresses of hosts. The one of a process is the Resolver; a simulated network has its own.
class NameService {
  public:
    /// addresses  IPv6 and IPv4 interleaved, IPv4 first, ports filled in, without doubles, 1..64 of them.
    /// ttl        seconds for which the answer may be kept; for an error how long to wait before asking again.
    /// Errors     unreachable: no such name, no address, or the servers refuse.   timed_out.   bad_message: garbage.
    ///            exhausted: too many open questions.   cancelled: the service stops.   All Retry::safe,
    ///            Side::upstream (exhausted and cancelled: internal).
    using Done = std::function<void(Result<std::vector<Address>> addresses, std::chrono::seconds ttl)>;

    /// `done` is called once, on any thread.
    virtual void resolve(std::string host, uint16_t port, Done done) = 0;

  protected:
    ~NameService() = default;
};

/// Answers look-ups from its own thread. Any thread may ask. Every question is answered exactly once, on time, on
/// failure and at stop. An answer's ttl lies in [ttl_min, ttl_max], an error's is negative_ttl.
class Resolver final : public NameService {
  public:
    struct Options {
        std::string servers;                          // "127.0.0.1:53,[::1]:5353"; "" takes /etc/resolv.conf
        std::chrono::milliseconds timeout{5000};      // of a question as a whole, retries and queueing included
        std::chrono::milliseconds try_timeout{1500};  // of one packet to one server, before the next try
        std::chrono::milliseconds family_grace{
            200};                              // how long the second of A and AAAA is waited for once one has answered
        std::chrono::seconds ttl_min{5};       // below it a provider that answers TTL 0 would be asked at every connect
        std::chrono::seconds ttl_max{300};     // above it a provider that moves away would be missed for too long
        std::chrono::seconds negative_ttl{2};  // how long "no such name" and failures are believed
        size_t questions_max = 1024;           // asked and unanswered, callers that share a look-up counted each
        size_t cache_entries_max = 1024;
    };
    struct Counts {  // since start; read from any thread
        uint64_t questions = 0;
        uint64_t lookups = 0;  // sent to c-ares: the rest were numeric, cached or joined a look-up in flight
        uint64_t cache_hits = 0;
        uint64_t failures = 0;
    };

    /// Starts the thread.
    /// Errors  bad_conf: `servers` is not a list of addresses.  exhausted: no thread, descriptor or memory.
    [[nodiscard]] static Result<std::unique_ptr<Resolver>> start(Options options);
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    ~Resolver();  // stop()

    /// Asks for the addresses of `host`: a name, `localhost`, or a numeric IP (with or without brackets).
    /// `/etc/hosts` goes before DNS. done is called once, on the resolver's thread, so pass a closure that posts to the
    /// shard's mailbox; it must not throw nor block, and may ask again. Called inside this call for two errors alone:
    /// exhausted, and cancelled once stop() has begun.
    void resolve(std::string host, uint16_t port, Done done) override;

    /// Answers every open question with Errc::cancelled and joins the thread. Idempotent; not from a Done.
    void stop() noexcept;

    [[nodiscard]] Counts counts() const noexcept;

    /// A full cache and as many open questions as are taken, their answers at their longest.
    [[nodiscard]] static size_t memory_bytes_max(const Options& options) noexcept;

  private:
    class Impl;
    explicit Resolver(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loom::net
