#include "yaml_comments.h"

#include "text.h"

namespace loom::config {

namespace {

/// Bytes of the line break that `text` begins with, 0 when there is none: those that libyaml counts lines by.
size_t break_bytes(std::string_view text) {
    for (const std::string_view one : {"\r\n", "\n", "\r", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"}) {
        if (text.starts_with(one)) return one.size();
    }
    return 0;
}

class Finder {
  public:
    Finder(std::string_view text, std::span<const ScalarSpan> scalars, YamlDocument& document)
        : text_(text), scalars_(scalars), document_(document) {}

    void run() {
        while (at_ < text_.size()) {
            if (const size_t bytes = break_bytes(text_.substr(at_)); bytes > 0) {
                end_line(bytes);
            } else if (is_comment()) {
                take_comment();
            } else {
                step();
            }
        }
    }

  private:
    [[nodiscard]] bool in_scalar() const { return !scalars_.empty() && character_ >= scalars_.front().begin; }

    [[nodiscard]] bool is_comment() const {
        return text_[at_] == '#' && !in_scalar() && (at_ == line_start_ || is_blank(text_[at_ - 1]));
    }

    void end_line(size_t bytes) {
        const auto line = text_.substr(line_start_, at_ - line_start_);
        if (trim(line).empty() && !in_scalar()) document_.blank_lines.push_back(line_number_);
        for (size_t i = 0; i < bytes; i++) step();
        line_start_ = at_;
        line_number_ += 1;
    }

    void take_comment() {
        size_t bytes = 1;
        while (at_ + bytes < text_.size() && break_bytes(text_.substr(at_ + bytes)) == 0) bytes += 1;
        const auto comment = text_.substr(at_, bytes);
        auto beside = trim(text_.substr(line_start_, at_ - line_start_));
        if (beside.starts_with("- ")) beside = trim(beside.substr(2));
        document_.comments.push_back({line_number_, trim(comment), beside});
        for (size_t i = 0; i < bytes; i++) step();
    }

    /// Goes on by one byte; marks count characters.
    void step() {
        at_ += 1;
        const bool is_inside = at_ < text_.size() && (text_[at_] & 0xc0) == 0x80;
        if (is_inside) return;
        character_ += 1;
        while (!scalars_.empty() && character_ >= scalars_.front().end) scalars_ = scalars_.subspan(1);
    }

    std::string_view text_;
    std::span<const ScalarSpan> scalars_;  // those that do not end before `at_`
    YamlDocument& document_;
    size_t at_ = 0;
    size_t character_ = 0;
    size_t line_start_ = 0;
    uint32_t line_number_ = 1;
};

}  // namespace

void find_comments(std::string_view text, std::span<const ScalarSpan> scalars, YamlDocument& document) {
    Finder(text, scalars, document).run();
}

}  // namespace loom::config
