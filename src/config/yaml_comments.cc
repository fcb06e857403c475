#include "yaml_comments.h"

#include "text.h"

namespace loom::config {

namespace {

class Finder {
  public:
    Finder(std::string_view text, std::span<const ScalarSpan> scalars, YamlDocument& document)
        : text_(text), scalars_(scalars), document_(document) {}

    void run() {
        while (at_ < text_.size()) {
            if (text_[at_] == '\n') {
                end_line();
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

    void end_line() {
        auto line = text_.substr(line_start_, at_ - line_start_);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (trim(line).empty() && !in_scalar()) document_.blank_lines.push_back(line_number_);
        step();
        line_start_ = at_;
        line_number_ += 1;
    }

    void take_comment() {
        auto comment = text_.substr(at_, text_.find('\n', at_) - at_);
        const size_t bytes = comment.size();
        if (comment.ends_with('\r')) comment.remove_suffix(1);
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
