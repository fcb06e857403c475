// One try at getting an answer from an upstream: what it needs until its answer passes to the client.
#pragma once

#include "loom/base/block_pool.h"
#include "loom/http/head_parser.h"
#include "loom/io/buffers.h"
#include "loom/io/timer_wheel.h"

namespace loom::proxy {

class Exchange;

/// In a block of the shard's own, which goes home when the answer passes: a stream of minutes holds none.
struct Attempt {
    struct HedgeTimer : io::Timer {
        HedgeTimer(Handler handler, Exchange& x) noexcept : Timer(handler), exchange(x) {}
        Exchange& exchange;
        bool over = false;  // once
    };
    Attempt(BlockPool& blocks, Block block, HedgeTimer::Handler on_hedge, Exchange& exchange)
        : head(blocks), answer_bytes(blocks), hedge_timer(on_hedge, exchange), home(std::move(block)) {}

    /// Nothing of the answer is kept, and it is not waited for.
    void forget_answer() noexcept {
        answer_lease.release();
        answer_bytes.release();
        answer_scan.reset();
        hedge_timer.disarm();
    }

    ByteBuffer head;               // what is sent; stays put until the kernel has it
    io::BufferLease answer_lease;  // the read that holds the answer's head; never past its tick
    ByteBuffer answer_bytes;       // a head that came in pieces
    http::HeadScan answer_scan{Side::upstream};
    HedgeTimer hedge_timer;    // when another is asked beside it
    uint64_t deadline_ms = 0;  // until its first content (routing.failover.timeout); 0: none
    uint8_t interim_heads = 0;
    bool upstream_spoke = false;
    Block home;
};

}  // namespace loom::proxy
