// Events of OpenAI's realtime sessions, as far as a relay reads them: which may report usage, and what they report.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "loom/llm/usage.h"

namespace loom::llm {

class Structure;

/// What the query of a session's address asks for. Views into the query, but for `model`.
struct RealtimeQuery {
    std::string model;                // decoded; "" when none is named
    bool transcribes = false;         // intent=transcription
    bool attaches = false;            // call_id: to a call that was begun elsewhere
    const char* malformed = nullptr;  // what is wrong with it
};
[[nodiscard]] RealtimeQuery read_realtime_query(std::string_view query);

/// Does a server's event matter to whoever counts?
enum class RealtimeInterest : uint8_t {
    unknown,  // its front does not tell
    none,     // audio, text and all else that passes
    usage,    // it may report usage
};
/// front  the first bytes of a message, or all of it.
/// Method  The type is read where only plain strings stand before it, as all servers write it; else the event is read.
[[nodiscard]] RealtimeInterest realtime_interest(std::string_view front) noexcept;
inline constexpr size_t realtime_front_bytes = 256;

/// One lives per shard; a warm read does not allocate.
class RealtimeReader {
  public:
    RealtimeReader();
    ~RealtimeReader();

    /// event  a whole message, below 4 GiB. Adds the usage that it reports: of a response that is done, whatever its
    ///        status, and of the transcription of what the user said, which another model made.
    /// True when it reported any.
    bool read(std::string_view event, Usage& sum);

  private:
    std::unique_ptr<Structure> structure_;
};

/// Adds count by count.
void add_usage(Usage& sum, const Usage& more) noexcept;

}  // namespace loom::llm
