#include "loom/llm/last_turn.h"

#include <cstring>

namespace loom::llm {
namespace {

/// Which words the protocol has for what.
struct Words {
    std::string_view content;    // of a turn
    std::string_view part_type;  // of a part that is a text; "": parts have no type
    bool role_is_said;           // a turn without one is not the user's
    bool has_bare_text;          // the input itself may be a string
};

bool words_of(Endpoint endpoint, Words& words) noexcept {
    switch (endpoint) {
        case Endpoint::chat_completions:
        case Endpoint::messages: words = {"content", "text", true, false}; return true;
        case Endpoint::responses: words = {"content", "input_text", true, true}; return true;
        case Endpoint::generate_content:
        case Endpoint::stream_generate_content: words = {"parts", "", false, false}; return true;
        default: return false;
    }
}

/// Goes over a document that is known to be well formed; at its end, every step fails.
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
            if (document_[at_] == '\\') {
                ++at_;
            } else if (document_[at_] == '"') {
                ++at_;
                return true;
            }
        }
        return false;
    }

    std::string_view document_;
    size_t at_;
};

/// One string of its name, and what may stand beside it: marks for a provider's cache, which say nothing.
bool read_part(Skim& skim, const Words& words, Range& text) noexcept {
    bool is_text = words.part_type.empty();
    if (!skim.take('{')) return false;
    do {
        Range name, value;
        if (!skim.take_string(name) || !skim.take(':')) return false;
        const std::string_view said = skim.inside(name);
        if (said == "text") {
            if (!text.absent() || !skim.take_string(text)) return false;
        } else if (said == "type") {
            if (!skim.take_string(value) || skim.inside(value) != words.part_type) return false;
            is_text = true;
        } else if (said != "cache_control" || !skim.skip_value()) {
            return false;
        }
    } while (skim.take(','));
    return skim.take('}') && is_text && !text.absent();
}

bool read_content(Skim& skim, const Words& words, Range& text) noexcept {
    if (!text.absent()) return false;  // it stands twice
    if (skim.peek() == '"') return !words.part_type.empty() && skim.take_string(text);
    return skim.take('[') && read_part(skim, words, text) && skim.take(']');
}

/// A turn of the user's, of one text.
bool read_turn(Skim& skim, const Words& words, Range& text) noexcept {
    bool has_role = false;
    if (!skim.take('{')) return false;
    do {
        Range name, value;
        if (!skim.take_string(name) || !skim.take(':')) return false;
        const std::string_view said = skim.inside(name);
        if (said == "role") {
            if (has_role || !skim.take_string(value) || skim.inside(value) != "user") return false;
            has_role = true;
        } else if (said == words.content) {
            if (!read_content(skim, words, text)) return false;
        } else if (said == "type") {
            if (!skim.take_string(value) || skim.inside(value) != "message") return false;
        } else if (said != "name" || !skim.skip_value()) {
            return false;
        }
    } while (skim.take(','));
    return skim.take('}') && (has_role || !words.role_is_said) && !text.absent();
}

}  // namespace

Range lone_last_text(Endpoint endpoint, std::string_view document, Range turns) noexcept {
    Words words;
    Range text;
    if (turns.absent() || !words_of(endpoint, words)) return {};
    Skim skim(document, turns);
    if (skim.peek() == '"') return words.has_bare_text && skim.take_string(text) ? text : Range{};
    if (!skim.take('[')) return {};
    uint32_t last = 0;
    do {
        (void)skim.peek();
        last = skim.offset();
        if (!skim.skip_value()) return {};
    } while (skim.take(','));
    if (!skim.take(']')) return {};
    skim.go_to(last);
    return read_turn(skim, words, text) ? text : Range{};
}

}  // namespace loom::llm
