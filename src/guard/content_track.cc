#include "content_track.h"

#include <algorithm>
#include <bit>
#include <string>

#include "injection_fold.h"

namespace loom::guard {

namespace {

constexpr uint32_t own_points = 100;  // an operator's own words are meant

}  // namespace

bool ContentWords::add(std::string_view phrase) {
    uint64_t hash = 0;
    size_t count = 0;
    bool too_long = false;
    std::string word;
    const auto end_word = [&] {
        if (word.empty()) return;
        too_long |= word.size() > word_bytes_max;
        hash = join_hashes(hash, WordTable::hash_of(word));
        count += 1;
        word.clear();
    };
    for (size_t at = 0; at < phrase.size();) {
        const FoldedChar c = fold(phrase, at);
        const bool is_ascii = static_cast<unsigned char>(phrase[at]) < 0x80;
        at += c.bytes;
        if (c.kind == FoldedChar::Kind::other && !is_ascii) return false;
        if (c.kind == FoldedChar::Kind::letter && c.native_size > 0)
            word.append(c.native.data(), c.native_size);
        else if (c.kind == FoldedChar::Kind::letter)
            word += c.latin;
        else if (c.kind != FoldedChar::Kind::hidden && !(c.kind == FoldedChar::Kind::joiner && !word.empty()))
            end_word();
    }
    end_word();
    if (count == 0 || count > words_max || too_long) return false;
    longest_ = std::max(longest_, count);
    hashes_.insert(std::ranges::upper_bound(hashes_, hash), hash);
    return true;
}

void ContentTrack::add_points(ContentCategory category, uint32_t points, bool always) noexcept {
    (always ? always_ : sums_)[static_cast<size_t>(category)].add(points);
}

bool ContentTrack::add(const OpenWord& word, uint32_t word_index) noexcept {
    const std::string_view latin = word.latin();
    if (latin.empty()) return false;
    if (own_ == nullptr && !word.has_leet()) return add(content_words.meaning_of(latin), word_index);
    WordForms forms{word.has_native() ? word.native() : latin, latin, latin, latin};
    BoundedText<OpenWord::bytes_max> with_i, with_l;
    const bool has_letters = word.has_leet() && std::ranges::any_of(latin, [](char c) { return is_lower(c); });
    for (const char c : has_letters ? latin : std::string_view()) {
        with_i.add(unleet(c, 'i'));
        with_l.add(unleet(c, 'l'));
    }
    if (with_i.size > 0) forms[2] = with_i.view(), forms[3] = with_l.view();
    return add(forms, word_index);
}

bool ContentTrack::add(const WordForms& word, uint32_t word_index) noexcept {
    const bool is_own = own_ != nullptr && !own_fired_ && add_own(word, word_index);
    uint32_t meaning = 0;
    for (size_t form = 1; form < word.size() && meaning == 0; ++form)
        if (form == 1 || word[form] != word[form - 1]) meaning = content_words.meaning_of(word[form]);
    return add(meaning, word_index) || is_own;
}

bool ContentTrack::add(uint32_t meaning, uint32_t word_index) noexcept {
    if (meaning == 0) return false;
    bool gives_points = false;
    is_about_ |= (meaning & c_about) != 0;
    trail_.add(meaning, word_index, 0);
    const auto rules = content_rules();
    for (uint64_t left = content_rules_ending(meaning) & ~fired_; left != 0; left &= left - 1) {
        const auto i = static_cast<size_t>(std::countr_zero(left));
        uint64_t begin = 0;
        if (!trail_.meets(rules[i].steps, rules[i].near, begin)) continue;
        fired_ |= uint64_t{1} << i;
        add_points(rules[i].category, rules[i].points, rules[i].always);
        gives_points = true;
    }
    return gives_points;
}

/// The phrases that end with this word, the shortest first.
bool ContentTrack::add_own(const WordForms& word, uint32_t word_index) noexcept {
    if (last_index_ + 1 != word_index) last_count_ = 0;
    last_index_ = word_index;
    last_count_ = std::min(last_count_ + 1, ContentWords::words_max);
    const bool is_plain = std::ranges::all_of(word, [&word](std::string_view form) { return form == word[0]; });
    plain_count_ = is_plain ? std::min(plain_count_ + 1, ContentWords::words_max) : 0;
    if (is_plain && plain_count_ >= own_->longest_) {  // all forms of these words are one: so are their phrases
        const uint64_t hash = WordTable::hash_of(word[0]);
        for (auto& last : last_) {
            std::shift_right(last.begin(), last.end(), 1);
            last[0] = hash;
        }
        return find_own(last_[0]);
    }
    for (size_t form = 0; form < word.size(); ++form) {
        auto& last = last_[form];
        std::shift_right(last.begin(), last.end(), 1);
        // What does not look like Latin is itself alone.
        last[0] = WordTable::hash_of(word[form].find('?') != std::string_view::npos ? word[0] : word[form]);
        if (find_own(last)) return true;
    }
    return false;
}

bool ContentTrack::find_own(const LastWords& last) noexcept {
    for (size_t count = 1; count <= std::min(last_count_, own_->longest_); ++count) {
        uint64_t hash = 0;
        for (size_t i = count; i > 0; --i) hash = join_hashes(hash, last[i - 1]);
        own_fired_ |= std::ranges::binary_search(own_->hashes_, hash);
    }
    if (own_fired_) add_points(ContentCategory::custom, own_points, true);
    return own_fired_;
}

ContentScore ContentTrack::score() const noexcept {
    ContentScore score;
    for (size_t i = 0; i < content_category_count; ++i) {
        const uint32_t points = sums_[i].points();
        score.points[i] = std::max(is_about_ ? points / 2 : points, always_[i].points());
    }
    return score;
}

}  // namespace loom::guard
