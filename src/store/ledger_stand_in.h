// What a shard writes its ledger to while there is no room for a first segment (usage_store.h).
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <expected>
#include <memory>

#include "loom/store/ledger_log.h"
#include "segment_cipher.h"

namespace loom::store {

/// Every write of it fails as on a full disk, so that what there is to say waits in memory; the first spare takes its
/// place, since it is broken from the start. It is in no directory, and nothing is folded of it.
struct LedgerStandIn {
    LedgerSegment segment;
    std::unique_ptr<SegmentCipher> cipher;

    /// vault  null: the segments are plain.      Errors  an errno: there is no /dev/full.
    [[nodiscard]] static std::expected<std::unique_ptr<LedgerStandIn>, int> make(const Vault* vault, uint32_t epoch,
                                                                                 uint32_t shard) {
        auto made = std::make_unique<LedgerStandIn>();
        made->segment.fd = ::open("/dev/full", O_RDWR | O_CLOEXEC);
        if (made->segment.fd < 0) return std::unexpected(errno);
        made->segment.epoch = epoch;
        made->segment.shard = shard;
        if (vault != nullptr) made->cipher = SegmentCipher::make(*vault, {epoch, shard, 0}).cipher;
        made->segment.cipher = made->cipher.get();
        made->segment.broken.store(true, std::memory_order_relaxed);
        return made;
    }
    LedgerStandIn() = default;
    LedgerStandIn(const LedgerStandIn&) = delete;
    ~LedgerStandIn() {
        if (segment.fd >= 0) ::close(segment.fd);
    }
};

}  // namespace loom::store
