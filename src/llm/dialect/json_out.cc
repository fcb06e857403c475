#include "json_out.h"

#include <array>

#include "loom/llm/json_text.h"

namespace loom::llm {

void JsonOut::escaped(std::string_view plain) {
    while (!plain.empty()) {
        size_t clean = 0;
        while (clean < plain.size() && plain[clean] != '"' && plain[clean] != '\\' &&
               static_cast<uint8_t>(plain[clean]) >= 0x20)
            ++clean;
        out_.append(plain.substr(0, clean));
        plain.remove_prefix(clean);
        if (plain.empty()) return;
        std::array<char, 6> room;
        out_.append({room.data(), escape(plain.substr(0, 1), std::span<char>(room))});
        plain.remove_prefix(1);
    }
}

}  // namespace loom::llm
