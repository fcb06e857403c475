// One walk over a text's characters: each is folded to what it looks like, words are made of them and looked up, and
// what they mean is held against the rules. What is spelled apart, in ROT13, in Base64 or in hexadecimal is read
// beside.
#include "loom/guard/injection.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "content_track.h"
#include "injection_fold.h"
#include "injection_lexicon.h"
#include "open_word.h"
#include "window.h"
#include "word_trail.h"

namespace loom::guard {

namespace {

constexpr size_t spelled_bytes_max = 160;
constexpr size_t decoded_bytes_max = 768;
constexpr size_t base64_min = 20, hex_min = 24;
constexpr uint32_t hidden_points = 20;  // for what somebody took pains to hide

constexpr size_t run_bytes_max = 2 * decoded_bytes_max;  // of what is coded, as much as is decoded
constexpr size_t mark_bytes_max = InjectionScan::left_bytes_max;

struct Place {
    uint64_t begin = 0, end = 0;
    bool quoted = false;
};

/// What stands where, for who takes it out.
struct Spans {
    std::array<InjectionScan::Span, InjectionScan::spans_max> of;
    size_t count = 0;
    bool more = false;

    void add(Place place) noexcept {
        if (count > 0 && place.begin <= of[count - 1].end && place.end >= of[count - 1].begin) {
            of[count - 1] = {std::min(of[count - 1].begin, place.begin), std::max(of[count - 1].end, place.end)};
        } else if (count < of.size()) {
            of[count++] = {place.begin, place.end};
        } else {
            more = true;
        }
    }
};

/// The points of one kind of find, family by family.
struct Sums {
    std::array<uint32_t, 4> most{}, all{};

    void add(InjectionFamily family, uint32_t points) noexcept {
        const auto i = static_cast<size_t>(family);
        most[i] = std::max(most[i], points);
        all[i] += points;
    }
    [[nodiscard]] uint32_t points() const noexcept {
        uint32_t sum = 0;
        for (size_t i = 0; i < most.size(); ++i) sum += most[i] + (all[i] - most[i]) / 2;
        return sum;
    }
};

struct Tally {
    InjectionScore score;
    Sums plain, quoted;
    Spans spans;
    uint64_t fired = 0;            // rules that have met
    uint64_t marked = 0;           // marks that were seen, by their names
    const Place* coded = nullptr;  // of a text that was decoded: where it stands

    void add(InjectionFamily family, const char* rule, uint32_t points, Place place) noexcept {
        (place.quoted ? quoted : plain).add(family, points);
        if (coded != nullptr) place = *coded;
        if (score.reason_count < InjectionScore::reasons_max)
            score.reasons[score.reason_count++] = {family, rule, place.begin, place.end};
    }
};

/// What the last words meant, and which rules have met.
class Track {
  public:
    Track(Tally& tally, uint32_t extra_points) noexcept : tally_(tally), extra_points_(extra_points) {}

    void add(uint32_t meaning, uint32_t word_index, Place place) noexcept {
        trail_.add(meaning, word_index, place.begin);
        const auto rules = injection_rules();
        for (uint64_t left = injection_rules_ending(meaning); left != 0; left &= left - 1) {
            const auto i = static_cast<size_t>(std::countr_zero(left));
            Place of_rule = place;
            if (!trail_.meets(rules[i].steps, rules[i].near, of_rule.begin)) continue;
            tally_.spans.add(tally_.coded != nullptr ? *tally_.coded : of_rule);
            if ((tally_.fired >> i & 1) != 0) continue;
            tally_.fired |= uint64_t{1} << i;
            tally_.add(rules[i].family, rules[i].name, rules[i].points + std::exchange(extra_points_, 0), of_rule);
        }
    }

  private:
    Tally& tally_;
    uint32_t extra_points_;
    WordTrail trail_;
};

/// Of Base64 and hexadecimal.
bool is_in_run(char c) noexcept {
    return is_alnum(static_cast<unsigned char>(c)) || c == '+' || c == '/' || c == '-' || c == '_';
}

const auto begins_mark = [] {
    std::array<bool, 256> first{};
    for (const InjectionMark& mark : injection_marks()) first[static_cast<unsigned char>(mark.text.front())] = true;
    return first;
}();

/// What most texts are made of: ASCII words, and what stands between them and means nothing here.
enum class PlainByte : uint8_t { no, letter, gap };

const auto plain_bytes = [] {
    std::array<PlainByte, 256> kinds{};
    for (int c = 0; c < 0x80; ++c) {
        const char byte = static_cast<char>(c);
        PlainByte& kind = kinds[static_cast<size_t>(c)];
        const bool is_read = begins_mark[static_cast<size_t>(c)] || is_in_run(byte) ||
                             fold({&byte, 1}, 0).kind != FoldedChar::Kind::other;
        if (is_alpha(c))
            kind = PlainByte::letter;
        else if (!is_read)
            kind = PlainByte::gap;
    }
    return kinds;
}();

class Reader {
  public:
    Reader(Tally& tally, uint32_t extra_points, bool decodes) noexcept
        : tally_(tally),
          plain_(tally, extra_points),
          apart_(tally, extra_points + hidden_points),
          rotated_(tally, extra_points + hidden_points),
          decodes_(decodes) {}

    /// What the words make of the categories of content too; null: nothing. It outlives this.
    void tell(ContentTrack* content) noexcept { content_ = content; }

    /// Reads on; returns how far. Of what is not final the last bytes are left, which may be a mark or a character cut.
    size_t read(std::string_view text, bool final) noexcept {
        size_t at = 0;
        while (at < text.size() && (final || text.size() - at > mark_bytes_max)) {
            if (const size_t plain = read_plain(text.substr(at)); plain > 0) {
                at += plain;
                continue;
            }
            if (decodes_) find_mark(text, at);
            const FoldedChar c = fold(text, at);
            if (decodes_) follow_run(text[at]);
            step(c);
            // A character's other bytes are no letters of a run.
            at_ += c.bytes;
            at += c.bytes;
        }
        return at;
    }
    void end() noexcept {
        if (decodes_) end_run();
        end_word();
        end_spelled();
    }
    [[nodiscard]] uint32_t about_count() const noexcept { return about_count_; }

  private:
    /// A gap, or a word of ASCII letters between two gaps, as the steps below would read it, and for a small part of
    /// what they take. Returns its bytes; 0: it has to be read by them.
    size_t read_plain(std::string_view text) noexcept {
        if (!word_.empty() || run_size_ != 0) return 0;
        const auto kind = [text](size_t i) { return plain_bytes[static_cast<unsigned char>(text[i])]; };
        size_t size = 0;
        while (size < text.size() && kind(size) == PlainByte::gap) size += 1;
        if (size > 0) {
            at_ += size;
            return size;
        }
        while (size < text.size() && size < base64_min && kind(size) == PlainByte::letter) size += 1;
        if (size == 0 || size == base64_min || size == text.size() || kind(size) != PlainByte::gap) return 0;
        const bool is_wanted = content_ != nullptr && content_->wants(text[0], size > 1 ? text[1] : '\0', size);
        if (size > 1 && spelled_.size == 0 && !is_wanted && !injection_words.may_mean(text[0], text[1], size) &&
            !injection_words.may_mean(rotate_any(text[0]), rotate_any(text[1]), size)) {
            pass_word();
            at_ += size;
            return size;
        }
        word_.set(text.substr(0, size));
        word_begin_ = at_;
        at_ += size;
        end_word();
        return size;
    }
    /// What end_word() does for a word that means nothing, where none was spelled before it.
    void pass_word() noexcept {
        word_index_ += 1;
        end_spelled();
    }
    /// ROT13 of a letter, in small or large: by its place in the alphabet.
    static char rotate_any(char c) noexcept { return static_cast<char>(((c & 31) + 12) % 26 + 1); }
    void step(const FoldedChar& c) noexcept {
        if (c.kind == FoldedChar::Kind::hidden) return;
        if (c.kind == FoldedChar::Kind::letter) {
            if (word_.empty()) word_begin_ = at_;
            word_.add(c);
            return;
        }
        if (c.kind == FoldedChar::Kind::joiner && !word_.empty()) return;  // don't
        end_word();
        if (c.kind == FoldedChar::Kind::quote) quoted_ = !quoted_;
        if (c.kind == FoldedChar::Kind::quote_open) quoted_ = true;
        if (c.kind == FoldedChar::Kind::quote_close) quoted_ = false;
    }

    void end_word() noexcept {
        if (word_.empty()) return;
        const Place place{word_begin_, at_, quoted_};
        if (word_.letters() == 1) {
            spelled_.add(word_.first());
            spelled_place_.end = place.end;
            if (spelled_.size == 1) spelled_place_ = place;
        } else {
            end_spelled();
        }
        word_index_ += 1;
        look_up(place);
        word_.clear();
    }

    void look_up(Place place) noexcept {
        const std::string_view word = word_.latin();
        if (word.empty()) return;
        if (content_ != nullptr) content_->add(word_, word_index_);
        uint32_t meaning = word_.all_native() ? injection_words.meaning_of(word_.native()) : 0;
        if (meaning == 0) meaning = injection_words.meaning_of(word);
        if (meaning == 0 && word_.has_leet()) meaning = meaning_of_leet(word);
        if ((meaning & m_about) != 0) about_count_ += 1;
        if ((meaning & ~uint32_t{m_about}) != 0) plain_.add(meaning, word_index_, place);
        if (meaning != 0 || word.size() < 2 || !injection_words.may_mean(rotate(word[0]), rotate(word[1]), word.size()))
            return;
        BoundedText<OpenWord::bytes_max> rotated;
        for (char c : word) rotated.add(rotate(c));
        if (const uint32_t other = injection_words.meaning_of(rotated.view()); other != 0)
            rotated_.add(other, word_index_, place);
    }
    static char rotate(char c) noexcept { return is_lower(c) ? static_cast<char>('a' + (c - 'a' + 13) % 26) : c; }
    /// "1gn0r3": digits and signs for letters, where letters are among them.
    static uint32_t meaning_of_leet(std::string_view word) noexcept {
        for (const char one : {'i', 'l'}) {
            BoundedText<OpenWord::bytes_max> read;
            bool letters = false;
            for (char c : word) {
                letters |= is_lower(c);
                read.add(unleet(c, one));
            }
            const uint32_t meaning = letters ? injection_words.meaning_of(read.view()) : 0;
            if (meaning != 0) return meaning;
        }
        return 0;
    }

    /// "i g n o r e a l l": the longest words that can be cut off it.
    void end_spelled() noexcept {
        constexpr size_t letters_min = 5, longest = 16;
        const std::string_view letters(spelled_.bytes.data(), spelled_.size);
        for (size_t at = 0; letters.size() >= letters_min && at < letters.size();) {
            size_t size = std::min(longest, letters.size() - at);
            uint32_t meaning = 0;
            while (size > 1 && (meaning = injection_words.meaning_of(letters.substr(at, size))) == 0) size -= 1;
            if (meaning != 0) apart_.add(meaning, ++spelled_index_, spelled_place_);
            at += meaning != 0 ? size : 1;
        }
        spelled_.clear();
        spelled_index_ += 20;
    }

    // Base64 and hexadecimal.

    void follow_run(char c) noexcept {
        if (!is_in_run(c)) return end_run();
        if (run_size_ < run_.size()) run_[run_size_] = c;
        run_size_ += 1;
        run_is_hex_ &= is_hex(static_cast<unsigned char>(c));
    }
    void end_run() noexcept {
        if (run_size_ >= (run_is_hex_ ? hex_min : base64_min)) {
            const std::string_view run(run_.data(), std::min(run_size_, run_.size()));
            std::array<char, decoded_bytes_max> decoded;
            const size_t size = run_is_hex_ ? decode_hex(run, decoded) : decode_base64(run, decoded);
            if (looks_written({decoded.data(), size})) read_decoded({decoded.data(), size});
        }
        run_size_ = 0;
        run_is_hex_ = true;
    }
    void read_decoded(std::string_view text) noexcept {
        const Place coded{at_ - run_size_, at_, false};
        tally_.coded = &coded;
        Reader inner(tally_, hidden_points, false);
        inner.read(text, true);
        inner.end();
        tally_.coded = nullptr;
    }

    /// What begins at this byte: marks differ in their first.
    void find_mark(std::string_view text, size_t at) noexcept {
        if (!begins_mark[static_cast<unsigned char>(text[at])]) return;
        const auto marks = injection_marks();
        for (size_t i = 0, name = 0; i < marks.size(); ++i) {
            const InjectionMark& mark = marks[i];
            if (i > 0 && std::string_view(marks[i - 1].name) != mark.name) name += 1;
            if (!text.substr(at).starts_with(mark.text)) continue;
            const Place place{at_, at_ + mark.text.size(), false};
            tally_.spans.add(place);
            if ((tally_.marked >> name & 1) == 0) tally_.add(mark.family, mark.name, mark.points, place);
            tally_.marked |= uint64_t{1} << name;
        }
    }

    Tally& tally_;
    ContentTrack* content_ = nullptr;
    Track plain_, apart_, rotated_;
    const bool decodes_;
    uint64_t at_ = 0;  // in the whole text
    OpenWord word_;
    BoundedText<spelled_bytes_max> spelled_;
    Place spelled_place_;
    uint64_t word_begin_ = 0;
    uint32_t word_index_ = 0;
    uint32_t spelled_index_ = 0;
    uint32_t about_count_ = 0;
    bool quoted_ = false;
    size_t run_size_ = 0;
    bool run_is_hex_ = true;
    std::array<char, run_bytes_max> run_;
};

}  // namespace

class InjectionReader {
  public:
    InjectionReader(bool reads_content, const ContentWords* own) noexcept {
        if (reads_content) reader_.tell(&content_.emplace(own));
    }
    InjectionReader(const InjectionReader&) = delete;
    [[nodiscard]] ContentScore content() const noexcept { return content_ ? content_->score() : ContentScore{}; }
    size_t read(std::string_view text, bool final) noexcept { return reader_.read(text, final); }
    InjectionScore finish() noexcept {
        reader_.end();
        InjectionScore score = tally_.score;
        const bool in_doubt = reader_.about_count() > 0;
        const uint32_t plain = tally_.plain.points(), quoted = tally_.quoted.points();
        score.points_undoubted = plain + quoted;
        score.points = plain + (in_doubt ? quoted / 4 : quoted);
        return score;
    }
    [[nodiscard]] const Spans& spans() const noexcept { return tally_.spans; }

  private:
    Tally tally_;
    std::optional<ContentTrack> content_;
    Reader reader_{tally_, 0, true};
};

InjectionScore score_injection(std::string_view text) noexcept {
    InjectionReader reader(false, nullptr);
    reader.read(text, true);
    return reader.finish();
}

ContentScore score_content(std::string_view text, const ContentWords* own) noexcept {
    InjectionReader reader(true, own);
    reader.read(text, true);
    (void)reader.finish();
    return reader.content();
}

static_assert(sizeof(InjectionReader) <= InjectionScan::memory_bytes);
InjectionScan::InjectionScan() : InjectionScan(false, nullptr) {}
InjectionScan::InjectionScan(const ContentWords* own) : InjectionScan(true, own) {}
InjectionScan::InjectionScan(bool reads_content, const ContentWords* own)
    : own_(own), reads_content_(reads_content), reader_(std::make_unique<InjectionReader>(reads_content, own)) {}
InjectionScan::~InjectionScan() = default;

size_t InjectionScan::read(std::string_view text, bool final) noexcept {
    if (ended_) reset();
    return reader_->read(text, final);
}
InjectionScore InjectionScan::finish() noexcept {
    if (ended_) reset();
    ended_ = true;
    return reader_->finish();
}
void InjectionScan::reset() noexcept {
    InjectionReader* const reader = reader_.get();
    reader->~InjectionReader();
    ::new (reader) InjectionReader(reads_content_, own_);
    ended_ = false;
}
ContentScore InjectionScan::content() const noexcept { return reader_->content(); }
std::span<const InjectionScan::Span> InjectionScan::spans() const noexcept {
    const Spans& spans = reader_->spans();
    return std::span(spans.of).first(spans.count);
}
bool InjectionScan::has_more_spans() const noexcept { return reader_->spans().more; }

}  // namespace loom::guard
