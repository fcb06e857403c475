#include "message_collector.h"

namespace loom::proxy {

void MessageCollector::add(const http::FrameStep& step) {
    using Wish = MessageReader::Wish;
    const std::string_view piece = step.payload_view();
    if (!std::exchange(begun_, true)) wish_ = Wish::more;
    if (wish_ != Wish::none) {
        const bool alone = held_.empty() && step.message_ends() && piece.size() <= message_bytes_max_;
        if (alone) {
            look(piece, true);
            if (wish_ == Wish::whole) reader_.on_message(piece);
        } else if (held_.size() + piece.size() > message_bytes_max_) {
            wish_ = Wish::none;
            reader_.on_message_too_long();
        } else {
            held_.append(piece);
            look(held_.view(), step.message_ends());
            if (wish_ == Wish::whole && step.message_ends()) reader_.on_message(held_.view());
        }
        if (wish_ == Wish::none) held_.release();
    }
    if (!step.message_ends()) return;
    message_count_ += 1;
    begun_ = false;
    held_.release();
}

/// A front that says nothing by then says it in the whole.
void MessageCollector::look(std::string_view message, bool whole) {
    using Wish = MessageReader::Wish;
    if (wish_ != Wish::more) return;
    wish_ = reader_.look_at_front(message.substr(0, front_bytes_max));
    if (wish_ == Wish::more && (whole || message.size() >= front_bytes_max)) wish_ = Wish::whole;
}

}  // namespace loom::proxy
