// A quick way over a document, without an index of its tokens.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "loom/llm/range.h"

namespace loom::llm {

/// Goes over any bytes: of a document that is not well formed it gives nonsense, and nothing outside of it. At its end,
/// every step fails.
class Skim {
  public:
    Skim(std::string_view document, Range range) noexcept
        : document_(document.substr(0, range.end())), at_(range.offset) {}

    [[nodiscard]] char peek() noexcept {
        while (at_ < document_.size() && std::memchr(" \t\r\n", document_[at_], 4) != nullptr) ++at_;
        return at_ < document_.size() ? document_[at_] : '\0';
    }
    [[nodiscard]] bool take(char c) noexcept {
        if (peek() != c) return false;
        ++at_;
        return true;
    }
    [[nodiscard]] bool take_string(Range& range) noexcept {
        if (peek() != '"') return false;
        const size_t begin = at_;
        if (!skip_string()) return false;
        range = {static_cast<uint32_t>(begin), static_cast<uint32_t>(at_ - begin)};
        return true;
    }
    [[nodiscard]] std::string_view inside(Range string) const noexcept {
        return document_.substr(string.offset + 1, string.length - 2);
    }
    [[nodiscard]] uint32_t offset() const noexcept { return static_cast<uint32_t>(at_); }
    void go_to(uint32_t offset) noexcept { at_ = offset; }

    /// Up to the comma or the bracket behind it.
    [[nodiscard]] bool skip_value() noexcept {
        uint32_t depth = 0;
        (void)peek();
        while (at_ < document_.size()) {
            const char c = document_[at_];
            if (c == '"') {
                if (!skip_string()) return false;
                continue;
            }
            const bool ends = c == '}' || c == ']';
            if (depth == 0 && (ends || c == ',')) return true;
            if (c == '{' || c == '[') depth += 1;
            if (ends) depth -= 1;
            ++at_;
        }
        return depth == 0;
    }

  private:
    [[nodiscard]] bool skip_string() noexcept {
        for (++at_; at_ < document_.size(); ++at_) {
            const void* const quote = std::memchr(document_.data() + at_, '"', document_.size() - at_);
            if (quote == nullptr) break;
            at_ = static_cast<size_t>(static_cast<const char*>(quote) - document_.data());
            size_t slashes = 0;
            while (document_[at_ - 1 - slashes] == '\\') slashes += 1;  // it has an opening quote before it
            if (slashes % 2 != 0) continue;
            ++at_;
            return true;
        }
        at_ = document_.size();
        return false;
    }

    std::string_view document_;
    size_t at_;
};

}  // namespace loom::llm
