// A conversation without its oldest turns, in the document's own protocol: what is left is a conversation that its
// provider takes, and but for what went its bytes are as they came.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/llm/endpoint.h"
#include "loom/llm/translate.h"

namespace loom::llm {

/// What went.
struct TrimmedHistory {
    uint32_t messages = 0;
    uint64_t text_bytes = 0;  // of Request::prompt_bytes, what was theirs
    // Of trim_to alone.
    uint64_t tokens_left = 0;      // of the prompt, as PromptWish::estimate says of what is left
    uint64_t estimated_bytes = 0;  // of text that were read to know it: the work
};

/// What goes, the oldest first: whole turns, from what a user says up to what the user says next, with all calls of
/// tools and their results between; then, behind the last that a user says, whole rounds of calls and results. What
/// stays: the system's and the developer's words wherever they stand, the last that a user says, beside results too,
/// and the last round. So what is left begins with a user, as Anthropic and Gemini want it, roles alternate as they
/// did, and no result is without its call.
class HistoryTrim {
  public:
    HistoryTrim(TranslateScratch& scratch, BlockPool& pool) noexcept : scratch_(scratch), pool_(pool) {}

    /// Appends the document without as many of them as hold so much of its prompt's text together, counted as
    /// Request::prompt_bytes is, and no more; or without all that may go; nothing where nothing may.
    /// body     a whole JSON object, as a RequestReader has read it.
    /// Returns  what went; no messages for documents that have none (a prompt, a text as input), or more of them than
    ///          messages_max.
    /// Errors   bad_message (downstream): it is no such document.
    static constexpr uint32_t messages_max = 1u << 16;
    /// What is remembered of them during a call.
    static constexpr size_t memory_bytes_max = 64u * messages_max;
    [[nodiscard]] Result<TrimmedHistory> trim(Endpoint endpoint, std::string_view body, uint64_t text_bytes,
                                              ByteBuffer& out);

    /// The same without as many of them as have to go until the prompt is estimated to be `tokens_max` tokens or less,
    /// and no more; where all that may go does not do, without all of it: tokens_left says so. Each text is estimated
    /// once, however much goes.
    [[nodiscard]] Result<TrimmedHistory> trim_to(Endpoint endpoint, std::string_view body, uint64_t tokens_max,
                                                 ByteBuffer& out);

  private:
    struct Wish;
    Result<TrimmedHistory> cut(Endpoint endpoint, std::string_view body, const Wish& wish, ByteBuffer& out);

    TranslateScratch& scratch_;
    BlockPool& pool_;
};

}  // namespace loom::llm
