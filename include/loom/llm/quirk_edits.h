// What a server of OpenAI's API refuses or spells otherwise, changed in a document that goes to it as it came: the rest
// of its bytes stays, so that unknown fields, key order and prompt caches survive. The writer of openai_chat obeys the
// same quirks where a document is translated.
#pragma once

#include <string_view>

#include "loom/base/arena_list.h"
#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/llm/endpoint.h"
#include "loom/llm/protocol.h"
#include "loom/llm/request.h"
#include "loom/llm/translate.h"

namespace loom::llm {

class QuirkEdits {
  public:
    QuirkEdits(TranslateScratch& scratch, BlockPool& pool);
    ~QuirkEdits();
    QuirkEdits(const QuirkEdits&) = delete;

    /// May the provider's server want other bytes than these? Of most requests it can be told without another look.
    [[nodiscard]] static bool may_change(Endpoint endpoint, const Request& request, const Quirks& quirks) noexcept {
        const bool known = endpoint == Endpoint::chat_completions || endpoint == Endpoint::completions;
        return known && meet(request.occasions, quirks);
    }

    /// Appends the changed document, or nothing where there is nothing to change: then false.
    /// body    a whole JSON object, as a RequestReader has read it.
    /// Errors  bad_message (downstream): a string that matters holds a broken escape, or `messages` are no messages.
    [[nodiscard]] Result<bool> apply(Endpoint endpoint, std::string_view body, const Quirks& quirks, ByteBuffer& out);

    /// What went and changes what is asked for, by name, as Translation's.
    [[nodiscard]] const ArenaList<std::string_view>& dropped() const noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace loom::llm
