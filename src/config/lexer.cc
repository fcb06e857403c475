#include "lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text.h"

namespace loom::config {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

/// Finds where a comment begins, over the pieces of one logical line. `#` begins one at the line's start or after a
/// blank; in the value (behind the first `=`) not inside double quotes.
class CommentFinder {
  public:
    size_t find(std::string_view piece) {
        after_blank_ = true;
        for (size_t i = 0; i < piece.size(); i++) {
            if (is_comment(piece[i])) return i;
            step(piece[i]);
        }
        return std::string_view::npos;
    }
    [[nodiscard]] bool in_quotes() const { return in_quotes_; }

  private:
    [[nodiscard]] bool is_comment(char c) const { return c == '#' && after_blank_ && !in_quotes_; }

    void step(char c) {
        after_blank_ = is_blank(c);
        const bool escaped = std::exchange(escaped_, false);
        if (!in_value_) {
            in_value_ = c == '=';
        } else if (c == '"' && !escaped) {
            in_quotes_ = !in_quotes_;
        } else if (c == '\\' && in_quotes_) {
            escaped_ = !escaped;
        }
    }

    bool after_blank_ = true;
    bool in_value_ = false;
    bool in_quotes_ = false;
    bool escaped_ = false;
};

/// One `key = value`, joined from the physical lines it spans.
class LogicalLine {
  public:
    explicit LogicalLine(const std::string& file) : file_(file) {}

    void append(std::string_view piece, uint32_t line, uint32_t column) {
        pieces_.push_back({text_.size(), line, column});
        text_ += piece;
    }
    [[nodiscard]] std::string_view text() const { return text_; }

    [[nodiscard]] Place place(size_t offset) const {
        auto piece = std::ranges::upper_bound(pieces_, offset, {}, &Piece::offset) - 1;
        const auto skipped = std::string_view(text_).substr(piece->offset, offset - piece->offset);
        return {file_, piece->line, piece->column + character_count(skipped)};
    }

    static uint32_t character_count(std::string_view text) {
        return static_cast<uint32_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
    }

  private:
    struct Piece {
        size_t offset;
        uint32_t line;
        uint32_t column;
    };
    const std::string& file_;
    std::string text_;
    std::vector<Piece> pieces_;
};

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

/// `a \` goes on, `a \\` does not: an even number of backslashes stands for itself.
bool continues(std::string_view line) {
    size_t backslashes = 0;
    while (backslashes < line.size() && line[line.size() - 1 - backslashes] == '\\') backslashes += 1;
    return backslashes % 2 == 1;
}

class Lexer {
  public:
    Lexer(std::string_view text, const std::string& file, std::vector<Diagnostic>& diagnostics)
        : rest_(text), file_(file), diagnostics_(diagnostics) {
        if (rest_.starts_with(byte_order_mark)) rest_.remove_prefix(byte_order_mark.size());
    }

    std::vector<RawEntry> run() {
        while (!rest_.empty() && diagnostics_.size() < diagnostic_count_max) read_logical_line();
        return std::move(entries_);
    }

  private:
    void read_logical_line() {
        LogicalLine line(file_);
        CommentFinder comments;
        bool goes_on = true;
        while (goes_on && !rest_.empty()) {
            const auto physical = next_physical_line();
            auto piece = trim(physical);
            const auto indent = static_cast<uint32_t>(piece.data() - physical.data());
            goes_on = continues(piece);
            if (goes_on) piece.remove_suffix(1);
            const size_t comment = comments.find(piece);
            if (comment != std::string_view::npos) goes_on = false;  // a comment ends with its physical line
            line.append(piece.substr(0, comment), line_number_, indent + 1);
            if (line.text().size() > line_bytes_max) goes_on = false;
        }
        take(line, comments.in_quotes());
    }

    std::string_view next_physical_line() {
        const size_t end = rest_.find('\n');
        auto line = rest_.substr(0, end);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        line_number_ += 1;
        return line;
    }

    void take(const LogicalLine& line, bool open_quote) {
        const auto text = line.text();
        if (trim(text).empty()) return;
        const auto control = std::ranges::find_if(text, is_control);
        if (text.size() > line_bytes_max) {
            return error(line.place(0), fmt::format("a line longer than {} bytes", line_bytes_max));
        }
        if (control != text.end()) {
            const auto at = static_cast<size_t>(control - text.begin());
            return error(line.place(at), fmt::format("control byte 0x{:02x}", static_cast<unsigned char>(*control)));
        }
        split_entry(line, open_quote);
    }

    void split_entry(const LogicalLine& line, bool open_quote) {
        const auto text = line.text();
        const size_t equals = text.find('=');
        if (equals == std::string_view::npos) return error(line.place(0), "expected 'key = value'");
        const auto key = trim(text.substr(0, equals));
        if (key.empty()) return error(line.place(0), "expected a key before '='");
        if (key.size() > key_bytes_max)
            return error(line.place(0), fmt::format("a key longer than {} bytes", key_bytes_max));
        if (key.find_first_of(" \t#") != std::string_view::npos) {
            return error(line.place(0), "a key cannot hold a space or '#'");
        }
        const auto value = trim(text.substr(equals + 1));
        const size_t value_at = value.empty() ? text.size() : static_cast<size_t>(value.data() - text.data());
        if (open_quote) return error(line.place(value_at), fmt::format("{}: a closing quote is missing", key), key);
        push({std::string(key), std::string(value), Quoting::bare, line.place(0), line.place(value_at)});
    }

    void push(RawEntry entry) {
        if (is_one_quoted(entry.value)) {
            entry.value = entry.value.substr(1, entry.value.size() - 2);
            entry.quoting = Quoting::quoted;
        }
        entries_.push_back(std::move(entry));
    }

    /// One pair of quotes around all of it; `"a", "b"` is not.
    static bool is_one_quoted(std::string_view value) {
        if (value.size() < 2 || value.front() != '"') return false;
        for (size_t i = 1; i < value.size(); i++) {
            if (value[i] == '\\') {
                i += 1;
            } else if (value[i] == '"') {
                return i + 1 == value.size();
            }
        }
        return false;
    }

    void error(Place place, std::string text, std::string_view key = "") {
        diagnostics_.push_back({std::move(place), true, std::move(text), std::string(key)});
    }

    std::string_view rest_;
    const std::string& file_;
    std::vector<Diagnostic>& diagnostics_;
    std::vector<RawEntry> entries_;
    uint32_t line_number_ = 0;
};

}  // namespace

std::vector<RawEntry> lex(std::string_view text, const std::string& file, std::vector<Diagnostic>& diagnostics) {
    return Lexer(text, file, diagnostics).run();
}

}  // namespace loom::config
