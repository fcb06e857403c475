// One try at getting an answer from an upstream: what it needs until its answer passes to the client.
#pragma once

#include "loom/base/block_pool.h"
#include "loom/http/head_parser.h"
#include "loom/io/buffers.h"

namespace loom::proxy {

/// In a block of the shard's own, which goes home when the answer passes: a stream of minutes holds none.
struct Attempt {
    Attempt(BlockPool& blocks, Block block) : head(blocks), answer_bytes(blocks), home(std::move(block)) {}

    /// Nothing of the answer is kept.
    void forget_answer() noexcept {
        answer_lease.release();
        answer_bytes.release();
        answer_scan.reset();
    }

    ByteBuffer head;               // what is sent; stays put until the kernel has it
    io::BufferLease answer_lease;  // the read that holds the answer's head; never past its tick
    ByteBuffer answer_bytes;       // a head that came in pieces
    http::HeadScan answer_scan{Side::upstream};
    uint64_t deadline_ms = 0;  // until its first content (routing.failover.timeout); 0: none
    uint8_t interim_heads = 0;
    bool upstream_spoke = false;
    Block home;
};

}  // namespace loom::proxy
