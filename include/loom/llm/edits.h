// What must change in a document, as a list of splices: the untouched bytes between them go on as they came, so unknown
// fields, key order and the provider's prompt-cache prefixes survive.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "loom/base/assert.h"
#include "loom/llm/range.h"
#include "loom/llm/request.h"

namespace loom::llm {

/// Sorted by offset, never overlapping, bounded, without heap. Replacements are borrowed: they stay put until the last
/// gather. A range of length 0 inserts; two inserts at one place stand in the order of their calls, before a
/// replacement that begins there.
class Edits {
  public:
    static constexpr uint32_t count_max = 16;

    /// False when count_max edits stand already (nothing is changed then). An overlap is a broken promise of the
    /// caller.
    [[nodiscard]] bool replace(Range range, std::string_view replacement) noexcept;
    [[nodiscard]] bool insert(uint32_t offset, std::string_view text) noexcept { return replace({offset, 0}, text); }

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] uint32_t count() const noexcept { return count_; }
    void clear() noexcept { count_ = 0; }

    /// Size of the edited document.
    [[nodiscard]] uint64_t output_bytes(uint64_t original_bytes) const noexcept;

    /// Calls piece(std::string_view) for each run of bytes of the edited document, in order; none is empty. At most
    /// pieces_max of them.
    template <class Sink>
    void gather(std::string_view original, Sink&& piece) const;
    static constexpr uint32_t pieces_max = 2 * count_max + 1;

  private:
    struct Edit {
        Range range;
        std::string_view replacement;
    };
    std::array<Edit, count_max> edits_;
    uint32_t count_ = 0;
};

template <class Sink>
void Edits::gather(std::string_view original, Sink&& piece) const {
    size_t at = 0;
    for (uint32_t i = 0; i < count_; ++i) {
        const Edit& edit = edits_[i];
        LOOM_ASSERT(edit.range.end() <= original.size());
        if (edit.range.offset > at) piece(original.substr(at, edit.range.offset - at));
        if (!edit.replacement.empty()) piece(edit.replacement);
        at = edit.range.end();
    }
    if (at < original.size()) piece(original.substr(at));
}

/// quoted_name  a JSON string, quotes included ("\"gpt-4o\"": escape it once, at load, with json_text.h).
void rename_model(Edits& edits, const Request& request, std::string_view quoted_name) noexcept;

/// For a provider that names the model in its path.
void drop_model(Edits& edits, const Request& request) noexcept;

/// Makes the body say `version` as its anthropic_version, whatever the client said.
/// version  plain text that needs no escape ("vertex-2023-10-16").
void put_anthropic_version(Edits& edits, const Request& request, std::string_view version) noexcept;

/// Makes the upstream report usage on a stream: injects `"stream_options":{"include_usage":true}`, or the member into
/// an existing object, whose other members stay. Returns true when the client did not ask itself, so that the usage
/// chunk must be stripped from its answer; false when nothing was to be changed (it asked, or this is not a stream).
[[nodiscard]] bool ask_for_usage(Edits& edits, const Request& request) noexcept;

/// The words that cap_output may put into a document; they stay as long as the edits.
struct OutputCap {
    std::string_view number;         // "512"
    std::string_view member;         // "\"max_tokens\":512"
    std::string_view in_an_object;   // Gemini's: "\"generationConfig\":{\"maxOutputTokens\":512}"
    std::string_view members_comma;  // of a member in front of others: the same with a comma behind
    std::string_view in_an_object_comma;
    uint64_t tokens = 0;
};
/// No answer is to be longer than that: bounds beyond it are lowered, and where there is none one is put in.
void cap_output(Edits& edits, const Request& request, Endpoint endpoint, std::string_view body,
                const OutputCap& cap) noexcept;
/// The member by which an endpoint's documents bound their answers.
[[nodiscard]] std::string_view output_bound_name(Endpoint endpoint, bool max_tokens_only) noexcept;

}  // namespace loom::llm
