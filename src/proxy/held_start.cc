#include "loom/proxy/held_start.h"

#include <algorithm>

#include "loom/llm/request.h"

namespace loom::proxy {

void HeldStart::begin(const HoldTerms& terms) {
    holding_ = terms.bytes_max > 0;
    bytes_max_ = terms.bytes_max;
    if (holding_ && terms.tokens > 0) window_ = std::make_unique<Window>(*this, terms);
}

void HeldStart::add_head(std::string_view head) {
    holding_ = true;
    bytes_.append(head);
    head_bytes_ = static_cast<uint32_t>(head.size());
}

bool HeldStart::add(std::string_view bytes) {
    bytes_.append(bytes);
    return bytes_.size() <= bytes_max_;
}

bool HeldStart::note_content(const llm::EventFacts& facts) {
    if (window_ == nullptr) return false;
    const auto tokens = static_cast<uint32_t>(std::max<uint64_t>(1, llm::estimated_tokens(facts.text_bytes)));
    if (tokens >= window_->tokens_left) return false;
    window_->tokens_left -= tokens;
    if (window_->time_ms > 0) shard_.timers().arm(*window_, std::exchange(window_->time_ms, 0));
    return true;
}

void HeldStart::on_time(io::Timer& timer) noexcept {
    const HeldStart& start = static_cast<Window&>(timer).start;
    if (start.holding_) start.owner_.on_hold_over();
}

void HeldStart::give_head(net::Sender& client) {
    client.add_copy(bytes_.view().substr(0, head_bytes_));
    bytes_.remove_prefix(std::exchange(head_bytes_, 0));
}

void HeldStart::give(net::Sender& client) {
    holding_ = false;
    client.add_copy(bytes_.view());
    forget();
}

void HeldStart::forget() noexcept {
    bytes_.release();
    head_bytes_ = 0;
    window_.reset();
}

}  // namespace loom::proxy
