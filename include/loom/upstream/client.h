// One HTTP exchange with an upstream, from a whole request to a whole answer: for what Loom asks on its own behalf, off
// the way of its clients' requests.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "loom/base/secret.h"
#include "loom/http/message.h"
#include "loom/upstream/pool.h"

namespace loom::upstream {

struct ClientOptions {
    EndpointOptions endpoint;
    std::string authority;                // what the Host header says
    uint64_t timeout_ms = 10'000;         // of an exchange as a whole, further attempts included
    size_t answer_bytes_max = 64 * 1024;  // of a body
    size_t exchange_count_max = 16;       // at once
};

struct ClientRequest {
    http::Method method = http::Method::post;
    std::string target;  // "/token"
    Secret lines;        // header lines beside host, content-length, accept and accept-encoding
    Secret body;
    std::string_view borrowed_body;  // in its place: it stays as it is until `done` was called
};

/// Of any status.
struct ClientAnswer {
    int status = 0;
    Secret body;
    std::string retry_after;  // that field's value, as it came; "" where there is none, or one of more than 64 bytes
};

/// Asks one place, over connections of its own. Lives on one shard and is used from its loop alone; everything is
/// bounded: exchanges, time, heads and bodies.
class Client final : PoolWatch {
  public:
    using Done = std::move_only_function<void(Result<ClientAnswer>)>;

    Client(io::Shard& shard, net::NameService& names, ClientOptions options);
    ~Client();  // idle() first
    Client(const Client&) = delete;

    /// `done` is called once, from the loop and never inside this call; it may ask again, and must not end the client.
    /// An address that cannot be reached is replaced by another of the host's, a pooled connection that had died unseen
    /// by a fresh one; whatever else fails is told.
    /// Errors  exhausted (internal): exchange_count_max run already, no descriptor.   cancelled (internal): close().
    ///         timed_out, refused, unreachable, reset, closed, tls_failed, bad_message, head_too_large, too_large,
    ///         unsupported (a coding that was not asked for): upstream. Retry::safe where not a byte left, in any try.
    /// Returns  its number, for cancel(); 0: it will be refused.
    uint64_t ask(ClientRequest request, Done done);
    /// Nobody waits for this one any more: it ends as cancelled. Nothing where it has ended already.
    void cancel(uint64_t number) noexcept;

    /// Ends what runs. Nothing may be asked afterwards.
    void close() noexcept;
    /// Nothing runs, and no connection is left.
    [[nodiscard]] bool idle() const noexcept;
    /// What one takes at worst, with all its exchanges.
    [[nodiscard]] static size_t memory_bytes_max(const ClientOptions& options) noexcept;
    /// What TLS failed by the last time, one line for people; "" where it did not.
    [[nodiscard]] const std::string& tls_fault() const noexcept { return tls_fault_; }

  private:
    class Call;
    struct CallTag;
    struct Calls;

    void on_connected() noexcept override {}
    void on_reused() noexcept override {}
    void on_connect_failed(Errc) noexcept override {}
    void on_level(int, int) noexcept override {}
    void on_tls_open(bool, uint64_t) noexcept override { tls_fault_.clear(); }
    void on_tls_failed(std::string_view text, bool) noexcept override { tls_fault_ = text; }
    void on_tls_given_up() noexcept override {}

    io::Shard& shard_;
    ClientOptions options_;
    std::string tls_fault_;
    std::unique_ptr<net::TlsContext> tls_;
    std::unique_ptr<io::BufferPool> plain_;
    Pool pool_;
    std::unique_ptr<Calls> calls_;
    bool closed_ = false;
};

}  // namespace loom::upstream
