// The embedded model in a realtime session: words for words, so that a first session works without a key. It has no
// ears and no voice: of audio it says how much there was.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "loom/llm/usage.h"

namespace loom::llm {

/// Speaks the events of OpenAI's realtime API, text alone: session.update, conversation.item.create, response.create
/// and .cancel, input_audio_buffer.append, .commit and .clear; others are answered with an `error` event. It allocates:
/// it is an upstream, not the way of a request.
class EchoRealtime {
  public:
    /// id  unique part of the session's ids. Begins with session.created.
    EchoRealtime(std::string_view model, std::string_view id);
    ~EchoRealtime();

    /// One event of the client. What it is answered with is asked for by next_event.
    void take(std::string_view event);
    /// Writes the next event over `out`; false when there is none until the client speaks again.
    bool next_event(std::string& out);

    static constexpr size_t repeated_bytes_max = 1024;  // of what the user said
    /// Of answers that wait to be asked for. A client that says more before it listens is told so once, and not heard.
    static constexpr size_t waiting_bytes_max = 24 * 1024;
    /// What a session takes: those, and the event at hand with each byte of its text escaped.
    static constexpr size_t memory_bytes_max = waiting_bytes_max + 4 * 6 * repeated_bytes_max;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace loom::llm
