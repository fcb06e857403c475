#include "import_writer.h"

#include <fmt/format.h>

#include "text.h"

namespace loom::config {

namespace {

constexpr size_t line_columns = 120;

class Writer {
  public:
    Writer(std::span<const ImportedEntry> entries, const YamlDocument& document)
        : entries_(entries), comments_(document.comments), blank_lines_(document.blank_lines) {}

    std::string run(const std::string& file) {
        text_ = fmt::format("# Made from {} by `loom import`.\n", printable(file));
        begin_paragraph();
        while (!entries_.empty()) {
            write_entry(entries_.front());
            entries_ = entries_.subspan(1);
        }
        write_comments_before(UINT32_MAX);
        return std::move(text_);
    }

  private:
    void write_entry(const ImportedEntry& entry) {
        const bool is_one_line = entry.last_line <= entry.key_place.line;
        write_comments_before(entry.key_place.line);
        if (!is_one_line) write_comments_inside(entry);
        keep_blank_lines_before(entry.key_place.line);
        text_ += fmt::format("{} ={}{}", entry.key, entry.value.empty() ? "" : " ", entry.value);
        if (is_one_line && is_last_of_its_line()) write_trailing_comment(entry.key_place.line);
        text_ += '\n';
    }

    [[nodiscard]] bool is_last_of_its_line() const {
        return entries_.size() == 1 || entries_[1].key_place.line != entries_[0].key_place.line;
    }

    void write_trailing_comment(uint32_t line) {
        if (comments_.empty() || comments_.front().line != line) return;
        const size_t columns = text_.size() - (text_.rfind('\n') + 1);
        if (columns + comments_.front().text.size() > line_columns) return;  // it goes to the next line then
        text_ += fmt::format("  {}", comments_.front().text);
        comments_ = comments_.subspan(1);
    }

    void write_comments_before(uint32_t line) {
        while (!comments_.empty() && comments_.front().line < line) {
            keep_blank_lines_before(comments_.front().line);
            text_ += fmt::format("{}\n", comments_.front().text);
            comments_ = comments_.subspan(1);
        }
    }

    /// Those of a list of several lines go above its one line, with the item that they speak of.
    void write_comments_inside(const ImportedEntry& entry) {
        while (!comments_.empty() && comments_.front().line <= entry.last_line) {
            const auto& comment = comments_.front();
            const bool is_of_item = comment.line > entry.key_place.line && !comment.beside.empty();
            text_ += is_of_item ? fmt::format("# {}: {}\n", comment.beside, trim(comment.text.substr(1)))
                                : fmt::format("{}\n", comment.text);
            comments_ = comments_.subspan(1);
        }
    }

    void keep_blank_lines_before(uint32_t line) {
        bool any = false;
        while (!blank_lines_.empty() && blank_lines_.front() < line) {
            any = true;
            blank_lines_ = blank_lines_.subspan(1);
        }
        if (any) begin_paragraph();
    }

    void begin_paragraph() {
        if (!text_.ends_with("\n\n")) text_ += '\n';
    }

    std::span<const ImportedEntry> entries_;
    std::span<const YamlComment> comments_;  // not yet written
    std::span<const uint32_t> blank_lines_;  // likewise
    std::string text_;
};

}  // namespace

std::string write_flat(std::span<const ImportedEntry> entries, const YamlDocument& document, const std::string& file) {
    return Writer(entries, document).run(file);
}

}  // namespace loom::config
