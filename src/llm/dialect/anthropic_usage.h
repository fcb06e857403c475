// Anthropic's usage object: it counts cached tokens beside input_tokens, and a stream tells it more than once.
#pragma once

#include "cursor.h"
#include "json_out.h"
#include "loom/llm/usage.h"

namespace loom::llm::anthropic {

class Counts {
  public:
    /// The usage object under the cursor. Counts of a stream are cumulative, and not every event has each of them: what
    /// is missing (or null) stays, and none goes down.
    [[nodiscard]] bool read(Cursor& cursor);
    [[nodiscard]] bool told() const noexcept { return told_; }
    [[nodiscard]] Text service_tier() const noexcept { return service_tier_; }  // of the document read last
    /// In the normal form; its parts sum to the total.
    [[nodiscard]] Usage usage() const noexcept;

  private:
    bool read_creation(Cursor& cursor);
    bool read_output_details(Cursor& cursor);

    uint64_t input_ = 0;
    uint64_t output_ = 0;
    uint64_t cache_read_ = 0;
    uint64_t cache_creation_ = 0;
    uint64_t cache_5m_ = 0;
    uint64_t cache_1h_ = 0;
    uint64_t thinking_ = 0;
    bool told_ = false;
    Text service_tier_;
};

/// The object's members that Anthropic always tells, and those that say something.
void write_usage(const Usage& usage, Text service_tier, JsonOut& json);

}  // namespace loom::llm::anthropic
