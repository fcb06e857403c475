#include "coded_body.h"

#include <algorithm>

namespace loom::proxy {

CodedBody::CodedBody(Run next_turn, Exchange& owner, BlockPool& blocks, http::ContentCoding coding, uint64_t bytes_max)
    : Runnable(next_turn), exchange(owner), coded_(blocks), bytes_max_(bytes_max), coding_(coding) {
    LOOM_ASSERT(coding != http::ContentCoding::identity && coding != http::ContentCoding::unknown);
    if (coding == http::ContentCoding::zstd) decoder_.emplace<http::ZstdDecoder>();
}

Result<void> CodedBody::add(std::string_view coded) {
    LOOM_ASSERT(decoded_count_ == 0 && !output_full_);
    coded_bytes_ += coded.size();
    if (coded_bytes_ > bytes_max_)
        return fail(Errc::too_large, Side::downstream, "the body is larger than limit.body_size");
    coded_.append(coded);
    return {};
}

uint64_t CodedBody::memory_bytes() const noexcept {
    const auto* const zstd = std::get_if<http::ZstdDecoder>(&decoder_);
    const uint64_t decoder_bytes = zstd != nullptr ? zstd->memory_bytes() : http::Inflater::memory_bytes;
    return decoder_bytes + (coded_.capacity() == 0 ? 0 : BlockPool::footprint(coded_.capacity()));
}

Result<void> CodedBody::decode(ByteBuffer& out, size_t bytes) {
    const http::DecodeLimits limits{.output_bytes_max = bytes_max_};
    if (!std::exchange(started_, true)) {
        if (auto* const zstd = std::get_if<http::ZstdDecoder>(&decoder_))
            zstd->start(limits, Side::downstream);
        else
            LOOM_TRY(std::get<http::Inflater>(decoder_).start(coding_, limits, Side::downstream));
    }
    char beyond = 0;  // where the body is as large as it may be: nothing but the end of the coding may follow
    std::span<char> room(&beyond, 1);
    if (out.size() < out.capacity()) room = {out.data() + out.size(), std::min(bytes, out.capacity() - out.size())};
    const std::string_view rest = coded_.view().substr(decoded_count_);
    const http::DecodeStep step =
        LOOM_TRY(std::visit([&](auto& decoder) { return decoder.next(rest, room); }, decoder_));
    if (room.data() != &beyond) out.resize(out.size() + step.produced);
    decoded_count_ += step.consumed;
    output_full_ = step.produced == room.size();
    if (decoded_count_ < coded_.size()) return {};
    coded_.clear();
    decoded_count_ = 0;
    return {};
}

Result<void> CodedBody::on_end() const noexcept {
    return std::visit([](const auto& decoder) { return decoder.on_end(); }, decoder_);
}

uint64_t CodedBody::offset() const noexcept {
    return std::visit([](const auto& decoder) { return decoder.consumed_bytes(); }, decoder_);
}

}  // namespace loom::proxy
