// What guards that stand outside of Loom answer about the texts of a request. No I/O.
//
// Two shapes. OpenAI's moderations (POST /v1/moderations, https://platform.openai.com/docs/api-reference/moderations):
//   asked     {"input":["…","…"],"model":"omni-moderation-latest"}
//   answered  {"results":[{"flagged":false,"categories":{"hate":false,…},"category_scores":{"hate":0.01,…}},…]}
//             one result for each text.
// And Loom's webhook:
//   asked     {"direction":"request","id":"…","consumer":"…","texts":[{"text":"…","role":"user"},…],"model":"…"}
//             role: system, developer, user, assistant, tool or other. consumer and model only where they are known.
//   answered  {"verdict":"allow"}, {"verdict":"block","reason":"jailbreak"} or
//             {"verdict":"mask","spans":[{"text":0,"begin":6,"end":20,"type":"EMAIL"}]}
//             text: the index in `texts`, from 0. begin, end: bytes of that text in UTF-8 (not characters, not bytes of
//             the JSON), end exclusive, at borders of characters. Other members are not looked at.
//
// The answer is a stranger's bytes: bounded, and each member that decides there once. Whatever is not exactly so is no
// answer, and the guard has failed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/guard_result.h"
#include "loom/base/result.h"

namespace loom::guard {

/// Bytes of one text that have to go.
struct ExternalSpan {
    uint32_t text = 0, begin = 0, end = 0;
    std::string label;  // "[EMAIL]": what takes their place. Never like one of Loom's own, which end in a number
};

struct ExternalVerdict {
    GuardResult result = GuardResult::allow;  // allow, block or mask
    /// A word of the guard's, or its categories: "hate, violence"; "" where it says none that is fit to be told on.
    std::string reason;
    std::vector<ExternalSpan> spans;  // of mask: one at least, in order; they do not overlap
};

/// Which results of moderations count.
struct ModerationTerms {
    struct Threshold {
        std::string category;
        double score = 0;  // this much and more counts, whatever its flag says
    };
    std::vector<std::string> categories;  // whose flags count; none, and no threshold: whatever is flagged
    std::vector<Threshold> thresholds;
};

/// One lives per shard: its buffers stay warm, but for those of large answers.
class ExternalReader {
  public:
    static constexpr size_t spans_max = 1024;
    static constexpr size_t reason_bytes_max = 128;
    static constexpr size_t label_bytes_max = 34;  // with its brackets
    static constexpr size_t names_max = 64;        // of categories that count, more than a reason has room for

    ExternalReader();
    ~ExternalReader();
    ExternalReader(ExternalReader&&) noexcept;

    /// text_bytes  of each text that was asked about.
    /// Errors      bad_message (upstream): this is no JSON object. unsupported (upstream): it is one, and no answer to
    ///             that; another request's may well be one. `what` is a literal.
    [[nodiscard]] Result<ExternalVerdict> read_webhook(std::string_view document, std::span<const uint32_t> text_bytes);
    [[nodiscard]] Result<ExternalVerdict> read_moderations(std::string_view document, size_t text_count,
                                                           const ModerationTerms& terms);

    /// At worst, with answers of so many bytes.
    [[nodiscard]] static size_t memory_bytes_max(size_t document_bytes) noexcept;

  private:
    [[nodiscard]] Result<ExternalVerdict> judge_moderations(std::string_view document, size_t text_count,
                                                            const ModerationTerms& terms);
    struct Scratch;
    std::unique_ptr<Scratch> scratch_;
};

/// In order; those that share bytes become one.
void join_spans(std::vector<ExternalSpan>& spans);

/// "us ssn" → "[US_SSN]"; "" and what has no letter → "[MASKED]".
[[nodiscard]] std::string external_label(std::string_view type);

}  // namespace loom::guard
