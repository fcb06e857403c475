// The inside of a ToldStream, for the translations that tell it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "dialect/dialect.h"
#include "loom/llm/told_stream.h"
#include "seam.h"

namespace loom::llm {

struct ToldStream::State {
    explicit State(size_t bytes_max) : text_bytes_max(bytes_max) {}

    /// A delta of the provider's whose turn it is. Returns whether the client is told of it, and of what: `delta` may
    /// have become another, good until the next call.
    [[nodiscard]] bool take(Delta& delta, Context& context);
    /// Before a delta behind which no text of the same can come: what was held back, "" for nothing.
    [[nodiscard]] Text rest_before(const Delta& delta, Context& context);
    /// Adds what the next provider is to be asked.
    void ask(ChatRequest& request, Context& context) const;
    [[nodiscard]] const Usage* sum(const Usage& own);

    std::unique_ptr<StreamEncoder> encoder;
    size_t text_bytes_max;
    std::string text;           // told so far, decoded
    std::string model;          // that the client was told first
    std::optional<Seam> seam;   // of whoever goes on
    std::string error_message;  // that a provider's stream brought, raw: told where nobody goes on
    std::string fresh;          // of the last call
    Usage before;               // of providers whose turn is over
    Usage own;                  // of the one whose it is
    Usage all;
    bool is_kept = true;
    bool is_finished = false;
    bool is_thinking = false;
    bool has_text = false;  // of the provider whose turn it is

  private:
    void keep(Text raw, Context& context);
};

}  // namespace loom::llm
