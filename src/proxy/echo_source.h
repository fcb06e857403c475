// The embedded provider as a source of an answer: paced by the shard's timers, held back like any upstream.
#pragma once

#include <string>

#include "body_budget.h"
#include "loom/io/shard.h"
#include "loom/llm/echo.h"

namespace loom::proxy {

class Exchange;

class EchoSource {
  public:
    explicit EchoSource(Exchange& exchange);

    /// Prepares the answer; after the provider's delay the exchange finds its answer ready.
    [[nodiscard]] Result<void> start(io::Shard& shard);
    [[nodiscard]] bool streams() const noexcept { return streams_; }
    /// The exchange has its relay: the answer's bytes follow.
    void begin();
    void pause() noexcept { paused_ = true; }
    void resume();
    [[nodiscard]] std::string_view whole() const noexcept { return text_; }

    /// What a stream takes: the message that it repeats, and its words.
    static constexpr size_t stream_bytes_max = 64 * 1024;

  private:
    enum class Step : uint8_t { delay, events };
    struct Pace : io::Timer {
        explicit Pace(EchoSource& s) : Timer(&EchoSource::on_pace), source(s) {}
        EchoSource& source;
    };
    struct Burst : io::Runnable {
        explicit Burst(EchoSource& s) : Runnable(&EchoSource::on_burst), source(s) {}
        EchoSource& source;
    };
    /// A batch of vectors is as large as a request's body, and is counted as one; it never waits.
    struct Hold final : BodyHold {
        using BodyHold::BodyHold;
        void on_room() noexcept override {}
    };
    [[nodiscard]] Result<void> hold_whole();
    static void on_pace(io::Timer& timer) noexcept;
    static void on_burst(io::Runnable& work) noexcept;
    void next_events();

    Exchange& exchange_;
    io::Shard* shard_ = nullptr;
    llm::EchoAnswer answer_;
    std::string text_;
    Hold hold_;
    Pace pace_{*this};
    Burst burst_{*this};
    Step step_ = Step::delay;
    bool streams_ = false;
    bool paused_ = false;
};

}  // namespace loom::proxy
