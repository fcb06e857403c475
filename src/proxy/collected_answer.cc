#include "collected_answer.h"

#include <array>

#include "header_policy.h"

namespace loom::proxy {
namespace {

constexpr size_t inflated_bytes = 4096;

}  // namespace

Result<void> CollectedAnswer::begin(const http::ResponseHead& head, bool tells_limits) {
    status_ = head.status;
    for (const http::Header& header : head.headers()) {
        if (header.id == http::HeaderId::content_type || !reaches_client(header)) continue;
        if (tells_limits && tells_of_limits(header)) continue;
        lines_.append(header.name);
        lines_.append(": ");
        lines_.append(header.value);
        lines_.append("\r\n");
    }
    if (const http::Header* const url = head.find("x-goog-upload-url"); url != nullptr) upload_url_ = url->value;
    reader_.start(head.framing, head.content_length, Side::upstream);
    if (head.framing == http::BodyFraming::length) {
        if (head.content_length > bytes_max_)
            return fail(Errc::too_large, Side::upstream, "the upstream's answer is larger than limit.body_size");
        body_.reserve(head.content_length);
    }
    const http::ContentCoding coding = http::content_coding(head.value_of(http::HeaderId::content_encoding));
    if (coding != http::ContentCoding::identity && !reader_.done()) {
        inflater_ = std::make_unique<http::Inflater>();
        LOOM_TRY(inflater_->start(coding, {.output_bytes_max = bytes_max_}));
    }
    return reader_.done() ? finish() : Result<void>();
}

Result<void> CollectedAnswer::take(std::string_view bytes) {
    while (!bytes.empty() && !reader_.done()) {
        const auto step = LOOM_TRY(reader_.next(bytes));
        LOOM_TRY(put(step.payload));
        bytes.remove_prefix(step.consumed);
    }
    if (!bytes.empty()) in_step_ = false;
    return reader_.done() ? finish() : Result<void>();
}

Result<void> CollectedAnswer::on_end(const Error& why) {
    in_step_ = false;
    if (whole_) return {};
    if (why.code != Errc::closed) return std::unexpected(why);
    LOOM_TRY(reader_.on_eof());
    return finish();
}

Result<void> CollectedAnswer::put(std::string_view payload) {
    if (inflater_ == nullptr) return keep(payload);
    std::array<char, inflated_bytes> room;
    for (;;) {
        const auto step = LOOM_TRY(inflater_->next(payload, room));
        LOOM_TRY(keep({room.data(), step.produced}));
        payload.remove_prefix(step.consumed);
        const bool more = !payload.empty() || step.produced == room.size();
        if (!more || (step.consumed == 0 && step.produced == 0)) return {};
    }
}

Result<void> CollectedAnswer::keep(std::string_view plain) {
    if (body_.size() + plain.size() > bytes_max_)
        return fail(Errc::too_large, Side::upstream, "the upstream's answer is larger than limit.body_size");
    body_.append(plain);
    return {};
}

Result<void> CollectedAnswer::finish() {
    if (!whole_ && inflater_ != nullptr) LOOM_TRY(inflater_->on_end());
    whole_ = true;
    return {};
}

}  // namespace loom::proxy
