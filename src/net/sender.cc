#include "loom/net/sender.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace loom::net {
namespace {

constexpr size_t held_send_bytes_max = 64 * 1024;  // a slow reader shows progress at least this often

}  // namespace

/// May pieces still join the gather? Not while it is with the kernel, nor
/// behind bytes that wait already.
bool Sender::open_gather() noexcept {
    static_assert(sizeof(Gather) <= gather_block_bytes);
    if (gather_ != nullptr) return !gather_->in_flight && held_bytes() == 0;
    if (held_bytes() > 0) return false;
    Block block = shard_.blocks().take(gather_block_bytes);
    gather_ = ::new (block.data()) Gather;
    gather_->home = std::move(block);
    return true;
}

void Sender::add(std::string_view bytes, Piece kind) noexcept {
    if (bytes.empty() || failed_) return;
    if (!open_gather() || gather_->piece_count == pieces_max) return hold(bytes);
    gather_->pieces[gather_->piece_count++] = iovec{const_cast<char*>(bytes.data()), bytes.size()};
    if (kind == Piece::leased) gather_->leased = true;
}

void Sender::add_copy(std::string_view bytes) noexcept {
    if (bytes.empty() || failed_) return;
    const size_t room = gather_ == nullptr ? scratch_bytes : scratch_bytes - gather_->scratch_used;
    if (bytes.size() > room || !open_gather() || gather_->piece_count == pieces_max) return hold(bytes);
    char* const at = gather_->scratch.data() + gather_->scratch_used;
    std::memcpy(at, bytes.data(), bytes.size());
    gather_->scratch_used += static_cast<uint32_t>(bytes.size());
    gather_->pieces[gather_->piece_count++] = iovec{at, bytes.size()};
}

void Sender::keep(io::BufferLease lease) noexcept {
    if (gather_ == nullptr || gather_->in_flight || !gather_->leased) return;  // its bytes were copied
    if (gather_->lease_count == leases_max) return set_gather_aside();
    ::new (&gather_->leases[gather_->lease_count++]) io::BufferLease(std::move(lease));
}

void Sender::flush() noexcept {
    if (failed_ || stream_.closing() || stream_.send_in_flight()) return;
    if (gather_ != nullptr) return send_gather();
    if (held_bytes() > 0) send_held();
}

void Sender::take_back(size_t held_before) noexcept {
    if (gather_ != nullptr && !gather_->in_flight) close_gather();
    LOOM_ASSERT(held_bytes() >= held_before);
    if (held_ == nullptr) return;
    held_->waiting.resize(held_->waiting.size() - (held_bytes() - held_before));
    if (held_->bytes() == 0) drop_held();
}

void Sender::send_gather() noexcept {
    LOOM_ASSERT(gather_->piece_count > gather_->first_piece);
    gather_->in_flight = true;
    const std::span<const iovec> pieces(gather_->pieces.data() + gather_->first_piece,
                                        gather_->piece_count - gather_->first_piece);
    stream_.send(pieces, gather_->leased ? io::SendMode::now : io::SendMode::wait);
}

Sender::Held& Sender::held() noexcept {
    if (held_ != nullptr) return *held_;
    Block block = shard_.blocks().take(sizeof(Held));
    held_ = ::new (block.data()) Held(shard_.blocks());
    held_->home = std::move(block);
    return *held_;
}

void Sender::drop_held() noexcept {
    if (held_ == nullptr) return;
    Block home = std::move(held_->home);
    std::exchange(held_, nullptr)->~Held();
}

void Sender::send_held() noexcept {
    Held& held = *held_;
    if (held.sending_from == held.sending.size()) {
        held.sending.clear();
        held.sending_from = 0;
        std::swap(held.sending, held.waiting);
    }
    LOOM_ASSERT(gather_ == nullptr);
    Block block = shard_.blocks().take(gather_block_bytes);
    gather_ = ::new (block.data()) Gather;
    gather_->home = std::move(block);
    const std::string_view rest = held.sending.view().substr(held.sending_from, held_send_bytes_max);
    gather_->pieces[gather_->piece_count++] = iovec{const_cast<char*>(rest.data()), rest.size()};
    gather_->in_flight = true;
    stream_.send({gather_->pieces.data(), 1}, io::SendMode::wait);
}

Sender::State Sender::on_sent(const Result<size_t>& sent) noexcept {
    LOOM_ASSERT(gather_ != nullptr && gather_->in_flight);
    gather_->in_flight = false;
    if (!sent) {
        failed_ = true;
        error_ = sent.error();
        abandon();
        return State::failed;
    }
    sent_bytes_ += *sent;
    if (held_ != nullptr && held_->sending_from < held_->sending.size()) {
        held_->sending_from += *sent;
        close_gather();
        if (held_->bytes() == 0) {
            drop_held();
        } else if (held_->sending_from == held_->sending.size()) {
            held_->sending.release();
            held_->sending_from = 0;
        }
    } else if (advance_gather(*sent)) {
        close_gather();
    } else if (gather_->leased) {
        set_gather_aside();
    }
    if (idle()) return State::idle;
    flush();
    return State::busy;
}

/// Steps over what was sent; true when that was everything.
bool Sender::advance_gather(size_t sent) noexcept {
    Gather& gather = *gather_;
    while (gather.first_piece < gather.piece_count) {
        iovec& piece = gather.pieces[gather.first_piece];
        const size_t step = std::min(sent, piece.iov_len);
        piece.iov_base = static_cast<char*>(piece.iov_base) + step;
        piece.iov_len -= step;
        sent -= step;
        if (piece.iov_len > 0) return false;
        gather.first_piece += 1;
    }
    LOOM_ASSERT(sent == 0);
    return true;
}

/// The peer is behind: the rest of the gather is copied in front of what waits,
/// and the leases go home.
void Sender::set_gather_aside() noexcept {
    Held& held = this->held();
    ByteBuffer rest(shard_.blocks());
    size_t bytes = held.waiting.size();
    for (uint32_t i = gather_->first_piece; i < gather_->piece_count; ++i) bytes += gather_->pieces[i].iov_len;
    rest.reserve(bytes);
    for (uint32_t i = gather_->first_piece; i < gather_->piece_count; ++i)
        rest.append({static_cast<const char*>(gather_->pieces[i].iov_base), gather_->pieces[i].iov_len});
    rest.append(held.waiting.view());
    held.waiting = std::move(rest);
    close_gather();
}

void Sender::close_gather() noexcept {
    Block home = std::move(gather_->home);
    gather_->~Gather();
    gather_ = nullptr;
}

void Sender::abandon() noexcept {
    LOOM_ASSERT(!stream_.send_in_flight());  // the kernel may still read the pieces
    if (gather_ != nullptr) close_gather();
    drop_held();
}

}  // namespace loom::net
