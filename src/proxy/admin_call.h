// A request of the admin listener whose body is read, or whose answer another thread makes: who may send one has been
// asked before.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "loom/base/result.h"
#include "loom/io/shard.h"
#include "loom/proxy/local_stream.h"
#include "loom/proxy/plan.h"

namespace loom::proxy {

class Exchange;

class AdminCall {
  public:
    static constexpr size_t largest_body_bytes = 16 * 1024;
    /// The body is collected from here on, up to `body_bytes_max`, which no resource wants more of than that. Larger
    /// ones are refused: 413.
    static void begin(Exchange& exchange, const LocalRequest& request, size_t body_bytes_max);
    explicit AdminCall(Exchange& exchange, size_t body_bytes_max = 0) : x_(exchange), body_bytes_max_(body_bytes_max) {}
    AdminCall(const AdminCall&) = delete;
    ~AdminCall();

    [[nodiscard]] size_t body_bytes_max() const noexcept { return body_bytes_max_; }
    /// The body is there, or what went wrong with it.
    [[nodiscard]] static Result<void> answer(Exchange& exchange);
    /// What the listener does with it, told to the client or, where its body is wanted, begun.
    static void run(Exchange& exchange, const LocalRequest& request);

    // admin_stream.cc: an answer that another thread makes.
    /// Nothing of it is there yet.
    [[nodiscard]] bool waits() const noexcept { return stream_ != nullptr && !begun_; }
    /// After a wake-up: it goes to the client whole, or its first piece does and the others follow by themselves.
    [[nodiscard]] Result<void> look_at_answer();
    /// Of the relay: the client is behind, and has caught up.
    void pause() noexcept { paused_ = true; }
    void resume() noexcept;

    static constexpr size_t piece_bytes_max = 64 * 1024;  // of one turn, so that others are served in between

  private:
    struct Turn : io::Runnable {
        explicit Turn(AdminCall& c) : Runnable(&AdminCall::on_turn), call(c) {}
        AdminCall& call;
    };
    static void on_turn(io::Runnable& work) noexcept;
    void await(std::shared_ptr<LocalStream> stream, std::string content_type);
    void on_readable() noexcept;
    static void refuse_pieces(Exchange& x);
    void begin_relay();
    void take(const LocalStream::Read& read);

    Exchange& x_;
    LocalRequest request_;  // of texts that the exchange keeps
    size_t body_bytes_max_;
    std::shared_ptr<LocalStream> stream_;
    std::string content_type_;
    std::shared_ptr<AdminCall*> home_;  // for letters that come when this is gone: null then
    Turn turn_{*this};
    bool begun_ = false;
    bool paused_ = false;
};

}  // namespace loom::proxy
