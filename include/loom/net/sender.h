// The way out of one stream: what a tick gathered leaves in one send, and a reader that stalls costs a bounded copy
// rather than the shard's buffers.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/net/stream.h"

namespace loom::net {

/// Pieces are added during a tick and leave with `flush`. Bytes in leases are sent without waiting; what the peer did
/// not take is copied aside, so that no lease outlives the tick. Bytes called stable are the caller's and stay put
/// until `drained`. Order is kept, always.
class Sender {
  public:
    Sender(Stream& stream, io::Shard& shard) noexcept : stream_(stream), shard_(shard) {}
    Sender(const Sender&) = delete;
    ~Sender() { drop_held(); }

    void add_stable(std::string_view bytes) noexcept { add(bytes, Piece::stable); }
    /// Bytes inside a lease that `keep` holds until the send is over.
    void add_leased(std::string_view bytes) noexcept { add(bytes, Piece::leased); }
    /// Small bytes of the moment (chunk heads, a short head): copied at once.
    void add_copy(std::string_view bytes) noexcept;
    void keep(io::BufferLease lease) noexcept;

    /// Starts sending what was added, unless a send is in flight: then it follows by itself.
    void flush() noexcept;
    /// Forgets what was added since held_bytes() was `held_before`, when the sender was idle or a send in flight, and
    /// nothing was flushed since: none of it has been handed over.
    void take_back(size_t held_before) noexcept;

    enum class State : uint8_t { idle, busy, failed };
    /// To be called from the owner's on_sent. `idle`: everything was taken by the kernel and stable bytes are free
    /// again.
    [[nodiscard]] State on_sent(const Result<size_t>& sent) noexcept;

    /// Bytes held for a reader that is behind: what back-pressure goes by.
    [[nodiscard]] size_t held_bytes() const noexcept { return held_ == nullptr ? 0 : held_->bytes(); }
    [[nodiscard]] bool idle() const noexcept { return gather_ == nullptr && held_bytes() == 0; }
    [[nodiscard]] bool failed() const noexcept { return failed_; }
    [[nodiscard]] const Error& error() const noexcept { return error_; }
    [[nodiscard]] uint64_t sent_bytes() const noexcept { return sent_bytes_; }

    /// Forgets what was not sent and gives everything back. No send may be in flight: in on_closed, at the latest.
    void abandon() noexcept;

    static constexpr size_t gather_block_bytes = 2048;  // of what one send gathers

  private:
    enum class Piece : uint8_t { stable, leased };
    static constexpr size_t pieces_max = 40;
    static constexpr size_t leases_max = 16;
    static constexpr size_t scratch_bytes = 912;
    /// What one tick sends; lives only while something is on its way, so that an idle stream holds none. What is beyond
    /// its counts is not initialised: most sends have two pieces and one lease.
    struct Gather {
        Gather() noexcept {}
        ~Gather() {
            for (uint32_t i = 0; i < lease_count; ++i) leases[i].~BufferLease();
        }
        uint32_t piece_count = 0;
        uint32_t first_piece = 0;
        uint32_t lease_count = 0;
        uint32_t scratch_used = 0;
        bool leased = false;
        bool in_flight = false;
        Block home;
        std::array<iovec, pieces_max> pieces;
        union {
            io::BufferLease leases[leases_max];
        };
        std::array<char, scratch_bytes> scratch;
    };

    /// What waits for a reader that is behind; lives only while something does.
    struct Held {
        explicit Held(BlockPool& blocks) noexcept : waiting(blocks), sending(blocks) {}
        [[nodiscard]] size_t bytes() const noexcept { return waiting.size() + sending.size() - sending_from; }
        ByteBuffer waiting;
        ByteBuffer sending;
        size_t sending_from = 0;
        Block home;
    };

    void add(std::string_view bytes, Piece kind) noexcept;
    bool open_gather() noexcept;
    Held& held() noexcept;
    void hold(std::string_view bytes) noexcept { held().waiting.append(bytes); }
    void drop_held() noexcept;
    void close_gather() noexcept;
    void send_gather() noexcept;
    void send_held() noexcept;
    bool advance_gather(size_t sent) noexcept;
    void set_gather_aside() noexcept;

    Stream& stream_;
    io::Shard& shard_;
    Gather* gather_ = nullptr;
    Held* held_ = nullptr;
    uint64_t sent_bytes_ = 0;
    Error error_;
    bool failed_ = false;
};

}  // namespace loom::net
