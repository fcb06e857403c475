// JSON of strangers, read whole: bounded, flat enough, and with each member once, since two readers of a document that
// has two of a name could take two of them.
#pragma once

#include <string_view>

#include "loom/base/json.h"

namespace loom::tenant {

class StrictJson {
  public:
    static constexpr size_t depth_max = 16;
    static constexpr size_t members_max = 512;  // of one object

    /// An object and nothing else; it lives until the next call. False for any other bytes.
    [[nodiscard]] bool read(std::string_view text, simdjson::dom::object& out);

  private:
    simdjson::dom::parser parser_;
};

/// The string at this name; "" for none, or for another type.
[[nodiscard]] std::string_view text_at(const simdjson::dom::object& object, std::string_view name) noexcept;
[[nodiscard]] bool has(const simdjson::dom::object& object, std::string_view name) noexcept;

}  // namespace loom::tenant
