#include "wordpiece.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace loom::cache {
namespace {

constexpr utf8proc_int32_t replacement = 0xfffd;

/// What stands apart from its neighbours without a space: ideographs, as BERT's authors drew the line.
bool is_ideograph(utf8proc_int32_t c) noexcept {
    constexpr std::array<std::array<utf8proc_int32_t, 2>, 8> ranges = {{{0x4e00, 0x9fff},
                                                                        {0x3400, 0x4dbf},
                                                                        {0x20000, 0x2a6df},
                                                                        {0x2a700, 0x2b73f},
                                                                        {0x2b740, 0x2b81f},
                                                                        {0x2b820, 0x2ceaf},
                                                                        {0xf900, 0xfaff},
                                                                        {0x2f800, 0x2fa1f}}};
    return std::ranges::any_of(ranges, [c](const auto& range) { return c >= range[0] && c <= range[1]; });
}

bool is_space(utf8proc_int32_t c, utf8proc_category_t category) noexcept {
    return (c >= '\t' && c <= '\r') || c == 0x85 || category == UTF8PROC_CATEGORY_ZS ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

bool is_dropped(utf8proc_int32_t c, utf8proc_category_t category) noexcept {
    if (c == '\t' || c == '\n' || c == '\r') return false;
    return c == 0 || c == replacement || category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_CN || category == UTF8PROC_CATEGORY_CO || category == UTF8PROC_CATEGORY_CS;
}

bool is_punctuation(utf8proc_int32_t c, utf8proc_category_t category) noexcept {
    if ((c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126)) return true;
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

void append(utf8proc_int32_t c, std::string& text) {
    std::array<utf8proc_uint8_t, 4> bytes;
    const auto count = utf8proc_encode_char(c, bytes.data());
    text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(count));
}

/// The words of a text, one after the other: word(std::string_view, code points), until it says false.
template <class Word>
class Splitter {
  public:
    Splitter(bool lower_case, Word word) : lower_case_(lower_case), word_(std::move(word)) {}

    void read(std::string_view text) {
        const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
        auto left = static_cast<utf8proc_ssize_t>(text.size());
        while (left > 0 && goes_on_) {
            utf8proc_int32_t c = 0;
            const utf8proc_ssize_t taken = utf8proc_iterate(at, left, &c);
            if (taken <= 0) {  // no UTF-8: the byte is dropped
                ++at, --left;
                continue;
            }
            at += taken;
            left -= taken;
            take(c);
        }
        end_word();
    }

  private:
    void take(utf8proc_int32_t c) {
        const utf8proc_category_t category = utf8proc_category(c);
        if (is_dropped(c, category)) return;
        if (is_space(c, category)) return end_word();
        if (is_ideograph(c)) return stand_alone(c);
        if (!lower_case_) return add(c, category);
        std::array<utf8proc_int32_t, 32> parts;  // without its accents
        const auto count = utf8proc_decompose_char(c, parts.data(), parts.size(), UTF8PROC_DECOMPOSE, nullptr);
        if (count <= 0 || static_cast<size_t>(count) > parts.size()) return add(c, category);
        for (utf8proc_ssize_t i = 0; i < count; ++i) {
            const utf8proc_int32_t part = utf8proc_tolower(parts[static_cast<size_t>(i)]);
            const utf8proc_category_t own = utf8proc_category(part);
            if (own != UTF8PROC_CATEGORY_MN) add(part, own);
        }
    }
    void add(utf8proc_int32_t c, utf8proc_category_t category) {
        if (is_punctuation(c, category)) return stand_alone(c);
        append(c, current_);
        ++code_points_;
    }
    void stand_alone(utf8proc_int32_t c) {
        end_word();
        append(c, current_);
        code_points_ = 1;
        end_word();
    }
    void end_word() {
        if (!current_.empty() && goes_on_) goes_on_ = word_(std::string_view(current_), code_points_);
        current_.clear();
        code_points_ = 0;
    }

    const bool lower_case_;
    Word word_;
    std::string current_;
    size_t code_points_ = 0;
    bool goes_on_ = true;
};

}  // namespace

std::expected<WordPiece, std::string> WordPiece::read(std::string_view vocabulary, bool lower_case) {
    WordPiece made;
    made.lower_case_ = lower_case;
    uint32_t number = 0;
    while (!vocabulary.empty()) {
        const size_t end = vocabulary.find('\n');
        std::string_view piece = vocabulary.substr(0, end);
        vocabulary.remove_prefix(end == std::string_view::npos ? vocabulary.size() : end + 1);
        if (piece.ends_with('\r')) piece.remove_suffix(1);
        made.pieces_.insert_or_assign(std::string(piece), number++);
        made.piece_bytes_max_ = std::max(made.piece_bytes_max_, piece.size());
    }
    made.line_count_ = number;
    const auto find = [&made](std::string_view name, uint32_t& into) {
        const auto found = made.pieces_.find(name);
        if (found != made.pieces_.end()) into = found->second;
        return found != made.pieces_.end();
    };
    if (!find("[UNK]", made.unknown_) || !find("[CLS]", made.begin_) || !find("[SEP]", made.end_))
        return std::unexpected("vocab.txt: has no [UNK], [CLS] and [SEP], as WordPiece vocabularies have");
    return made;
}

std::vector<uint32_t> WordPiece::tokens(std::string_view text, size_t tokens_max) const {
    std::vector<uint32_t> tokens{begin_};
    Splitter splitter(lower_case_, [&](std::string_view word, size_t code_points) {
        append_word(word, code_points, tokens);
        return tokens.size() < tokens_max;
    });
    splitter.read(text);
    if (tokens.size() >= tokens_max) tokens.resize(tokens_max - 1);
    tokens.push_back(end_);
    return tokens;
}

void WordPiece::append_word(std::string_view word, size_t code_points, std::vector<uint32_t>& tokens) const {
    const size_t before = tokens.size();
    if (code_points > word_code_points_max) return tokens.push_back(unknown_);
    std::string piece;
    while (!word.empty()) {
        const std::string_view mark = tokens.size() > before ? "##" : "";
        size_t taken = std::min(word.size(), piece_bytes_max_);
        auto found = pieces_.end();
        for (; taken > 0; --taken) {
            piece.assign(mark).append(word.substr(0, taken));
            found = pieces_.find(piece);
            if (found != pieces_.end()) break;
        }
        if (taken == 0) {  // one part that nothing fits makes all of it unknown
            tokens.resize(before);
            return tokens.push_back(unknown_);
        }
        tokens.push_back(found->second);
        word.remove_prefix(taken);
    }
}

}  // namespace loom::cache
