// Looks for one field of a form (multipart/form-data, RFC 7578) in as much of it as is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loom::http {

struct FormField {
    enum class State : uint8_t {
        open,  // not in what is there; more may have it
        found,
        absent,  // the form has ended without it, or this is no form
    };
    State state = State::open;
    size_t offset = 0;       // of the value in the bytes
    std::string_view value;  // as it stands
};

/// content_type  the header's value, which holds the boundary.
/// bytes         the body from its start on, however far.
/// name          plain. A file (a part with a filename) is never a field.
[[nodiscard]] FormField find_form_field(std::string_view content_type, std::string_view bytes,
                                        std::string_view name) noexcept;

}  // namespace loom::http
