#include "asking.h"

#include "loom/base/crypto.h"

namespace loom::app {

uint64_t retry_pause_ms(uint32_t failures, uint64_t random) noexcept {
    const uint32_t doublings = std::min<uint32_t>(failures - 1, 6);
    const uint64_t pause = std::min(retry_first_ms << doublings, retry_max_ms);
    return pause / 2 + random % (pause / 2 + 1);
}

uint64_t jittered_ms(uint64_t ms) noexcept { return ms - ms / 10 + random_u64() % (ms / 5 + 1); }

std::string failure_text(const Error& why, const upstream::Client& client) {
    const bool tls = why.code == Errc::tls_failed && !client.tls_fault().empty();
    return tls ? client.tls_fault() : std::string(errc_name(why.code));
}

}  // namespace loom::app
