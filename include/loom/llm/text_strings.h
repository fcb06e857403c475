// The strings of a request that models read: contents, parts, instructions, what tools said, descriptions of tools, in
// whatever protocol. Told by what they are not, so that a member that nobody here knows is looked at too.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "loom/llm/range.h"

namespace loom::llm {

/// Walks a document from front to back, in place.
///   while (const auto string = strings.next()) scan(text_of(document, *string));
/// Left out are the names of members; values of members that steer and are not read (model, role, type, ids, names of
/// tools and files); whatever holds media in Base64, addresses of media, and what a provider has sealed (signatures,
/// encrypted_content). Not so in the arguments and results of tools, whose members have names of their own.
class TextStrings {
  public:
    /// document  well formed and below 4 GiB; borrowed. One that is not gives nonsense, and reads nothing outside of
    /// it.
    explicit TextStrings(std::string_view document) noexcept : text_(document) {}

    /// The inside of the next one, without quotes and undecoded (json_text.h); empty ones are left out.
    [[nodiscard]] std::optional<Range> next() noexcept;

    static constexpr uint32_t depth_max = 256;

  private:
    [[nodiscard]] Range take_string() noexcept;
    void open(char bracket) noexcept;
    [[nodiscard]] bool is_name() noexcept;

    /// What encloses the place: whether the strings in it are left out.
    struct Level {
        bool in_array = false;
        bool skips = false;  // this level's values, or the present member's
        bool skips_all = false;
        bool is_free = false;  // members have the names that a tool gave them: none is left out
        bool opens_free = false;
    };

    std::string_view text_;
    size_t at_ = 0;
    uint32_t depth_ = 0;
    std::array<Level, depth_max + 1> levels_;
};

}  // namespace loom::llm
