#include "loom/llm/text_count.h"

#include <algorithm>

#include "loom/llm/request.h"

namespace loom::llm {

void TextCount::add(std::string_view raw) noexcept {
    if (!counts()) return estimate_.add_json(raw);
    const size_t room = RequestReader::counted_bytes_max - counted_bytes_;
    const std::string_view counted = raw.substr(0, std::min(raw.size(), room));
    if (!counted.empty()) event_tokens_ += counter_->count_json(*tokenizer_, counted);
    counted_bytes_ += counted.size();
    unread_bytes_ += raw.size() - counted.size();
}

void TextCount::end_event(bool has_content) noexcept {
    if (!counts()) {
        tokens_ += estimated_tokens(unread_bytes_);
        unread_bytes_ = 0;
        return;
    }
    const bool is_guess = unread_bytes_ != 0 || (event_tokens_ == 0 && has_content);
    is_exact_ = is_exact_ && !is_guess;
    event_tokens_ += estimated_tokens(unread_bytes_);
    tokens_ += event_tokens_ == 0 && has_content ? 1 : event_tokens_;
    event_tokens_ = unread_bytes_ = 0;
    counted_bytes_ = 0;
}

}  // namespace loom::llm
