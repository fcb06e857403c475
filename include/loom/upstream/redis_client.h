// One connection to a Redis or Valkey, over the shard's own loop: commands go out in their order, as many at once as
// are asked for, and their answers come back in it.
//
// A connection that fails, or does not answer in time, is replaced after a pause that grows with each failure; while it
// pauses every command fails at once. So nobody waits long for a server that is slow or gone, and it is not asked by
// everybody the moment that it is back.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/secret.h"
#include "loom/store/redis_protocol.h"
#include "loom/upstream/pool.h"

namespace loom::upstream {

struct RedisOptions {
    EndpointOptions endpoint;
    std::string username;                    // "": the default user
    std::shared_ptr<const Secret> password;  // null: none is asked for
    uint32_t database = 0;
    std::string client_name;            // as CLIENT LIST shows it: no blanks
    uint64_t timeout_ms = 1'000;        // of connecting, greeting included, and of each answer
    uint64_t pause_max_ms = 30'000;     // between two attempts to connect
    size_t queue_max = 64;              // commands that have no answer yet
    size_t reply_bytes_max = 4u << 20;  // of one reply
};

/// Sums since it was made.
struct RedisCounts {
    uint64_t answers = 0;    // commands that were answered, refusals included
    uint64_t refusals = 0;   // by an error reply
    uint64_t failures = 0;   // connections that could not be made, broke, or did not answer in time
    uint64_t connected = 0;  // connections that were greeted
};

/// Lives on one shard and is used from its loop alone.
class RedisClient final : PoolWatch, ConnectionUser, io::Runnable {
  public:
    using Done = std::move_only_function<void(Result<store::RedisReply>)>;
    /// notice   a line for the log: what has failed, with the remedy; that it answers again. Never a secret.
    using Notice = std::function<void(bool good, std::string text)>;

    RedisClient(io::Shard& shard, net::NameService& names, RedisOptions options, Notice notice);
    ~RedisClient();  // idle() first
    RedisClient(const RedisClient&) = delete;

    /// `command` as store::redis_command has it. `done` is called once, from the loop and never inside this call; it
    /// may ask again, and must not end the client. An error reply is an answer, unless it says that this server cannot
    /// serve Loom (no password, still loading, a replica, another node's slot): then the connection is given up. Errors
    /// exhausted (internal): queue_max wait already.      cancelled (internal): close().
    ///         unreachable, refused, reset, closed, timed_out, tls_failed, bad_message, too_large, unauthenticated,
    ///         unsupported (upstream). Whether the command was carried out is not known then.
    void ask(std::string command, Done done);

    /// Greeted, and not failed since.
    [[nodiscard]] bool up() const noexcept { return state_ == State::open; }
    /// Called when up() changes, from the loop.
    void on_change(std::function<void(bool up)> told) { change_ = std::move(told); }
    [[nodiscard]] const RedisCounts& counts() const noexcept { return counts_; }
    /// Why it is not up, one line; "" where it is.
    [[nodiscard]] const std::string& fault() const noexcept { return fault_; }

    /// Ends what runs. Nothing may be asked afterwards.
    void close() noexcept;
    [[nodiscard]] bool idle() const noexcept;
    [[nodiscard]] static size_t memory_bytes_max(const RedisOptions& options) noexcept;

  private:
    enum class State : uint8_t { connecting, greeting, open, pausing, closed };
    enum class Kind : uint8_t { auth, select, name, ping, command };
    struct Command {
        Kind kind = Kind::command;
        std::string bytes;  // until it is sent
        Done done;          // of a command
        uint64_t sent_ms = 0;
    };
    struct Refused {
        Done done;
        Error why;
    };
    struct Deadline : io::Timer {
        explicit Deadline(RedisClient& c) : Timer(&RedisClient::on_deadline), client(c) {}
        RedisClient& client;
    };

    void on_connected() noexcept override {}
    void on_reused() noexcept override {}
    void on_connect_failed(Errc) noexcept override {}
    void on_level(int, int) noexcept override {}
    void on_tls_open(bool, uint64_t) noexcept override { tls_fault_.clear(); }
    void on_tls_failed(std::string_view text, bool) noexcept override { tls_fault_ = text; }
    void on_tls_given_up() noexcept override {}

    void on_upstream_connected(Result<void> result) noexcept override;
    void on_upstream_bytes(io::BufferLease bytes) noexcept override;
    void on_upstream_end(Error why) noexcept override;
    void on_upstream_sent(net::Sender::State state) noexcept override;
    void on_upstream_closed() noexcept override;

    // Handlers note what came; the ready list acts on it, when no byte layer is in the middle of its own.
    static void on_turn(io::Runnable& work) noexcept;
    static void on_deadline(io::Timer& timer) noexcept;
    void step() noexcept;
    void note(const Error& why, std::string detail = {}) noexcept;
    void connect() noexcept;
    void greet();
    void queue_greeting(Kind kind, std::initializer_list<std::string_view> words);
    void send_waiting() noexcept;
    void take_reply(store::RedisReply reply);
    void take_greeting(Kind kind, const store::RedisReply& reply);
    [[nodiscard]] bool serves(const store::RedisReply& reply, bool with_detail);
    void give_up() noexcept;
    void tell_failure();
    void tell_refused();
    [[nodiscard]] uint64_t due_ms() const noexcept;
    void set_deadline() noexcept;
    void set_state(State state) noexcept;
    void wake() noexcept { shard_.schedule(*this); }

    io::Shard& shard_;
    RedisOptions options_;
    Notice notice_;
    std::function<void(bool)> change_;
    std::unique_ptr<net::TlsContext> tls_;
    std::unique_ptr<io::BufferPool> plain_;
    Pool pool_;
    Deadline deadline_{*this};
    State state_ = State::pausing;
    Connection* connection_ = nullptr;
    std::unique_ptr<store::RedisReader> reader_;  // of the connection
    std::deque<Command> sent_;                    // without an answer, oldest first
    std::deque<Command> waiting_;                 // not sent yet
    std::deque<store::RedisReply> replies_;       // that nobody has heard of
    std::deque<Refused> refused_;                 // likewise: commands that have failed
    Secret outgoing_;                             // what the kernel sends, while it does
    RedisCounts counts_;
    Error failure_;  // of the connection, to be acted on
    std::string failure_detail_;
    Error failed_by_{.code = Errc::unreachable, .side = Side::upstream, .what = "it was not asked yet"};
    std::string fault_;
    std::string tls_fault_;
    uint64_t since_ms_ = 0;     // connecting began
    uint64_t answered_ms_ = 0;  // the last answer came
    uint64_t resume_ms_ = 0;    // the pause ends
    uint32_t failures_in_row_ = 0;
    bool sending_ = false;
    bool draining_ = false;  // of a connection that was dropped: outgoing_ is the kernel's yet
};

}  // namespace loom::upstream
