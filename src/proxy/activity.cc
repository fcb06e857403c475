#include "activity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "client_connection.h"
#include "exchange.h"
#include "ledger.h"
#include "loom/base/hash.h"
#include "loom/base/utf8.h"
#include "reply.h"

namespace loom::proxy {
namespace {

constexpr std::string_view anonymous = "anonymous";  // where a route asks for no key

/// Where it is too long, its front and a hash of all of it.
ShortText<128> consumer_key(const tenant::Consumer& consumer) noexcept {
    if (consumer.is_listed()) return std::string_view(consumer.name);
    std::array<char, 128> room;
    constexpr size_t hash_bytes = 17;
    const auto whole = fmt::format_to_n(room.data(), room.size(), "{}{}/{}", tenant::token_consumer_prefix,
                                        consumer.issuer, consumer.name);
    if (whole.size <= room.size()) return std::string_view(room.data(), whole.size);
    const size_t front = utf8_cut({room.data(), room.size()}, room.size() - hash_bytes);
    const uint64_t hash = hash64(consumer.issuer) * 31 + hash64(consumer.name);
    const auto end = fmt::format_to_n(room.data() + front, hash_bytes, "~{:016x}", hash);
    return std::string_view(room.data(), end.out);
}

}  // namespace

/// Of an AI route, and of whoever was let in: strangers who fail at the door change nobody's usual.
bool ActivityNote::is_told() const noexcept {
    if (x_.client_->is_nobody() || x_.client_->listener().local || x_.route_ == nullptr || !x_.route_->ai) return false;
    return x_.consumer_ != nullptr || x_.provider_ != nullptr;
}

/// The ledger knows of what nobody has told, too. An answer of the cache takes none.
uint64_t ActivityNote::tokens() const noexcept {
    if (x_.provider_ == nullptr) return 0;
    const llm::Usage usage = x_.was_stopped() ? x_.stop_usage() : x_.usage();
    return std::max(usage.input + usage.output, x_.entry_ != nullptr ? x_.entry_->took_tokens : 0);
}

void ActivityNote::put() const noexcept {
    tenant::ActivityRing* const ring = x_.services_.activity();
    if (ring == nullptr || !is_told()) return;
    tenant::Activity activity;
    const uint16_t status = told_status(x_.left_early(), x_.status_);
    activity.tokens = tokens();
    activity.cost = std::max<Money>(Booking(x_).cost(), 0);
    if (const auto ip = x_.client_ip()) {
        activity.ip = *ip;
        activity.has_ip = true;
    }
    activity.identified = x_.consumer_ != nullptr;
    activity.client_error = status >= 400 && status < 500 && status != client_left_status;
    activity.provider_error = status >= 500;
    activity.consumer = x_.consumer_ != nullptr ? consumer_key(*x_.consumer_) : ShortText<128>(anonymous);
    if (x_.provider_ != nullptr && !x_.upstream_model_.empty()) activity.model = x_.model_;
    ring->put(activity);
}

}  // namespace loom::proxy
