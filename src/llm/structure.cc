#include "structure.h"

#include <algorithm>
#include <bit>

#include "loom/base/assert.h"
#include "loom/base/json.h"

namespace loom::llm {

namespace {

using Implementation = simdjson::internal::dom_parser_implementation;

constexpr size_t capacity_min = 64 << 10;

/// Length of the UTF-8 sequence at text[at], 0 when it is none.
size_t utf8_sequence(std::string_view text, size_t at) {
    const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
    const auto is_tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
    const uint32_t first = byte(at), second = byte(at + 1);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return is_tail(at + 1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
        return is_tail(at + 1) && is_tail(at + 2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
        return is_tail(at + 1) && is_tail(at + 2) && is_tail(at + 3) ? 4 : 0;
    }
    return 0;
}

Fault find_bad_utf8(std::string_view text) {
    size_t at = 0;
    while (at < text.size()) {
        const size_t length = utf8_sequence(text, at);
        if (length == 0) break;
        at += length;
    }
    return {"the document is not valid UTF-8", static_cast<uint32_t>(at)};
}

/// The slow second look, only at documents that are refused: simdjson's first stage says what, not where.
Fault find_bad_string(std::string_view text) {
    size_t opened = 0;
    bool inside = false;
    for (size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '"') {
            inside = !inside;
            opened = at;
        } else if (inside && c == '\\') {
            at += 1;
        } else if (inside && static_cast<uint8_t>(c) < 0x20) {
            return {"a control character stands unescaped in a string", static_cast<uint32_t>(at)};
        }
    }
    return {"a string is not closed", static_cast<uint32_t>(opened)};
}

}  // namespace

struct Structure::Parser {
    std::unique_ptr<Implementation> implementation;
};

Structure::Structure() : parser_(std::make_unique<Parser>()) { LOOM_ASSERT(reserve(capacity_min)); }
Structure::~Structure() = default;

size_t Structure::memory_bytes(size_t document_bytes) noexcept {
    return std::bit_ceil(std::max(document_bytes, capacity_min)) * sizeof(uint32_t);
}

bool Structure::reserve(size_t bytes) {
    auto& implementation = parser_->implementation;
    if (implementation && implementation->capacity() >= bytes) return true;
    const size_t capacity = std::bit_ceil(std::max(bytes, capacity_min));
    if (implementation) return implementation->allocate(capacity, implementation->max_depth()) == simdjson::SUCCESS;
    // The depth is of simdjson's own second stage, which never runs.
    return simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, implementation) ==
           simdjson::SUCCESS;
}

void Structure::trim() {
    if (parser_->implementation->capacity() <= kept_bytes_max) return;
    parser_->implementation.reset();
    LOOM_ASSERT(reserve(capacity_min));
}

bool Structure::index(std::string_view text, Utf8 utf8, Tokens& tokens, Fault& fault) {
    fault = {"the document is empty", 0};
    if (text.empty()) return false;
    fault = {"the document is too large", 0};
    if (text.size() >= simdjson::SIMDJSON_MAXSIZE_BYTES || !reserve(text.size())) return false;
    Implementation& implementation = *parser_->implementation;
    implementation.n_structural_indexes = 0;
    const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
    const auto code = implementation.stage1(bytes, text.size(), simdjson::stage1_mode::regular);
    tokens = {implementation.structural_indexes.get(), implementation.n_structural_indexes};
    if (code == simdjson::SUCCESS) return true;
    if (code == simdjson::UTF8_ERROR) {
        if (utf8 == Utf8::passed) return true;  // judged last: the tokens stand already
        fault = find_bad_utf8(text);
    } else if (code == simdjson::EMPTY) {
        fault = {"the document is empty", static_cast<uint32_t>(text.size())};
    } else {
        fault = find_bad_string(text);
    }
    return false;
}

}  // namespace loom::llm
