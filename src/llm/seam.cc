#include "seam.h"

#include <algorithm>

namespace loom::llm {
namespace {

bool is_of_word(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

}  // namespace

void Seam::take(std::string_view piece, std::string& fresh) {
    if (settled_) {
        fresh.append(piece);
        return;
    }
    for (const char c : piece) {
        held_.push_back(c);
        note_fallback();
    }
    search(false);
    if (at_ == said_.size()) settle(fresh);
}

void Seam::end(std::string& fresh) {
    if (settled_) return;
    const bool stops_within = at_ < said_.size() && matched_ == held_.size();
    if (stops_within && held_.size() >= stopped_bytes_min) {
        settled_ = true;
        held_ = {};
        fallback_ = {};
        return;
    }
    search(true);
    settle(fresh);
}

/// Of the prefix that ends with the byte that came last.
void Seam::note_fallback() {
    const size_t last = held_.size() - 1;
    size_t length = last == 0 ? 0 : fallback_[last - 1];
    while (length > 0 && held_[length] != held_[last]) length = fallback_[length - 1];
    if (last > 0 && held_[length] == held_[last]) length += 1;
    fallback_.push_back(static_cast<uint32_t>(length));
}

/// Goes on in what was said, as far as the continuation's bytes tell how. is_whole  there will be no more of them.
void Seam::search(bool is_whole) {
    while (at_ < said_.size()) {
        if (matched_ == held_.size()) {
            if (!is_whole) return;
            if (held_.empty()) break;
            matched_ = fallback_[matched_ - 1];
            continue;
        }
        if (said_[at_] == held_[matched_]) {
            at_ += 1;
            matched_ += 1;
        } else if (matched_ > 0) {
            matched_ = fallback_[matched_ - 1];
        } else {
            at_ += 1;
        }
    }
}

void Seam::settle(std::string& fresh) {
    settled_ = true;
    size_t shared = matched_;
    std::vector<uint32_t> words(shared + 1);  // bytes of words among so many of the end of what was said
    for (size_t n = 1; n <= shared; ++n) words[n] = words[n - 1] + (is_of_word(said_[said_.size() - n]) ? 1 : 0);
    while (shared > 0 && !is_repetition(shared, words[shared] - words[std::min(shared, unseen_)]))
        shared = fallback_[shared - 1];
    fresh.append(held_, shared);
    held_ = {};
    fallback_ = {};
}

/// The last bytes of what was said are the first of what comes: was that meant?
/// of_words  how many of those that were shown are of words.
bool Seam::is_repetition(size_t bytes, size_t of_words) const noexcept {
    if (bytes <= unseen_ || bytes == said_.size()) return true;
    const std::string_view shared = said_.substr(said_.size() - bytes);
    if (bytes >= shared_bytes_min && of_words >= shared_bytes_min / 2) return true;
    const bool cuts_word = is_of_word(said_[said_.size() - bytes - 1]) && is_of_word(shared.front());
    return !cuts_word && of_words >= word_bytes_min;
}

}  // namespace loom::llm
