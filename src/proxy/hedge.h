// What an exchange knows of the other one that answers the same request, where two providers are asked beside each
// other.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "loom/base/result.h"
#include "loom/io/timer_wheel.h"
#include "loom/route/choose.h"
#include "loom/route/instances.h"

namespace loom::proxy {

class Exchange;
struct Failure;
struct ProviderPlan;
struct Selection;

struct Hedge {
    Exchange* rival = nullptr;            // the other one, as long as neither's answer is the client's
    const ProviderPlan* other = nullptr;  // that the other one asked when this began
    uint32_t asked_before = 0;            // attempts of the first, when the second began
    bool second = false;                  // begun beside the first, which had said nothing for so long
    bool carries = false;                 // the first failed, and this one went on with the request
    bool failed = false;                  // the second's attempt
    bool abandoned = false;               // the client left, or the second was ended, before either had an answer
    size_t client_held_bytes = 0;         // of the client's sender, when the second took it over
    /// As clients and the log are told. A client is told in its answer's head, which for a stream is written when the
    /// provider's head comes, though it may wait for the first content: what happens in between (a hedge that begins, a
    /// rival that fails) only the log has.
    [[nodiscard]] std::string_view result() const noexcept {
        if (failed) return "failed";
        if (abandoned) return "abandoned";
        return second ? "won" : "lost";
    }
};

/// The race of the two: how a second attempt begins, and who of them has the client. A way to say it, with nothing of
/// its own but what Hedge holds.
class Race {
  public:
    explicit Race(Exchange& exchange) noexcept : x_(exchange) {}

    /// An attempt begins, and what follows when it is slow: once for each request.
    void arm() noexcept;
    static void on_timer(io::Timer& timer) noexcept;
    /// In place of a hedge's way in.
    Result<void> prepare();
    /// The second goes on with the first's client, the first with nobody.
    void take_client() noexcept;
    /// This one's attempt has failed, and the rival's is under way still: that is the answer, or the next failure.
    /// failure  null where it is no provider's.
    void leave_to_rival(const Failure* failure);
    /// The answer of a hedge is an error while the first is asked still: none that the client should get.
    Result<void> refuse(const Failure& failure);
    /// The client is gone, or the connection of nobody's (a drain has come to its end).
    void abandon(const Error& why) noexcept;
    /// A provider that is told to stop before it has said what it took may bill it all the same.
    void note_untold() noexcept;
    /// One of the two is out.
    void leave_race() noexcept;
    /// At the end, where the first failed and the second went on.
    void book() noexcept;

  private:
    [[nodiscard]] bool may_hedge() const noexcept;
    [[nodiscard]] uint64_t delay_ms() noexcept;
    void begin_if_slow();
    [[nodiscard]] bool answered_for_good() const noexcept;
    [[nodiscard]] std::optional<route::Choice> choose();
    void begin(const route::Candidate& candidate, const route::Choice& choice);
    void take_request_of(const Exchange& first);
    void take_selection_of(const Selection& first);
    void note_failed_beside(const Exchange& other, const Failure& failure);

    Exchange& x_;
};

/// Was an attempt let in to see whether who is asked is well again?
[[nodiscard]] inline bool holds_probe(const route::Passage& passage, const route::InstancePassage& instance) noexcept {
    return passage.provider.probe || passage.model.probe || instance.own.probe || instance.place.probe;
}

}  // namespace loom::proxy
