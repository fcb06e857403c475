#include "shared_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "loom/observe/log.h"
#include "loom/store/lease_script.h"

namespace loom::app {
namespace {

using store::RedisReply;

constexpr size_t draws_per_command = 128;  // a script holds the server up for as long as it runs

std::string named(const SharedStoreOptions& options) {
    return fmt::format("token_accounting.store.redis: {}:{}", options.redis.endpoint.host, options.redis.endpoint.port);
}

SharedStoreOptions with_name(SharedStoreOptions options, const std::string& loom_id) {
    options.redis.client_name = fmt::format("loom-{}", loom_id.substr(0, 8));
    return options;
}

}  // namespace

struct SharedStore::Batch {
    std::vector<tenant::LeaseDraw> draws;
    std::vector<tenant::LeaseGrant> grants;
    Drawn done;
    size_t first = 0;  // of the command under way
    [[nodiscard]] std::span<const tenant::LeaseDraw> at_hand() const {
        return std::span(draws).subspan(first, std::min(draws_per_command, draws.size() - first));
    }
};

SharedStore::SharedStore(io::Shard& shard, net::NameService& names, SharedStoreOptions options,
                         store::UsageStore& usage)
    : shard_(shard),
      options_(with_name(std::move(options), usage.loom_id())),
      loom_id_(usage.loom_id()),
      client_(shard, names, options_.redis,
              [this](bool good, const std::string& text) {
                  if (good)
                      observe::log_info("{}: {}", named(options_), text);
                  else
                      observe::log_warn("{}: {}; it is tried again", named(options_), text);
              }),
      exchange_(std::make_unique<UsageExchange>(
          shard, client_, usage, options_.key_prefix, options_.usage_interval_ms,
          [this](const std::string& text) { observe::log_warn("{}: {}", named(options_), text); })) {
    client_.on_change([this](bool up) {
        exchange_->store_changed(up);
        if (told_) told_(up);
    });
}

SharedStore::~SharedStore() { LOOM_ASSERT(idle()); }

uint64_t SharedStore::memory_bytes_max(const SharedStoreOptions& options) {
    constexpr uint64_t row_bytes = 2'048;  // with six texts of 128 bytes, as it is read and as it is written
    return sizeof(SharedStore) + upstream::RedisClient::memory_bytes_max(options.redis) +
           3 * store::usage_page_rows * row_bytes + UsageExchange::known_max * UsageExchange::known_bytes +
           draws_max * (sizeof(tenant::LeaseDraw) + 512);
}

bool SharedStore::up() const noexcept { return client_.up(); }
void SharedStore::on_change(std::function<void(bool up)> told) { told_ = std::move(told); }
bool SharedStore::idle() const noexcept { return client_.idle() && batch_ == nullptr; }

void SharedStore::stop() noexcept {
    exchange_->stop();
    client_.close();
}

observe::SharedStoreFacts SharedStore::facts() const {
    const upstream::RedisCounts& counts = client_.counts();
    observe::SharedStoreFacts facts{.up = client_.up(),
                                    .answers = counts.answers,
                                    .refusals = counts.refusals,
                                    .failures = counts.failures,
                                    .connections = counts.connected};
    exchange_->add_facts(facts);
    return facts;
}

void SharedStore::draw(std::vector<tenant::LeaseDraw> draws, Drawn done) {
    LOOM_ASSERT(!draws.empty() && draws.size() <= draws_max);
    for (tenant::LeaseDraw& one : draws) {
        LOOM_ASSERT(one.floor <= one.want && one.ttl_ms > 0);
        for (uint64_t* const units : {&one.limit, &one.floor, &one.want}) *units = std::min(*units, lease_units_max);
    }
    if (batch_ != nullptr) {
        shard_.mailbox().post([done = std::move(done)]() mutable {
            done(fail(Errc::exhausted, Side::internal, "a batch of draws is under way"));
        });
        return;
    }
    batch_ = std::make_unique<Batch>();
    batch_->draws = std::move(draws);
    batch_->done = std::move(done);
    ask(false);
}

void SharedStore::ask(bool with_script) {
    client_.ask(store::lease_command(options_.key_prefix, loom_id_, batch_->at_hand(), with_script),
                [this, with_script](Result<RedisReply> reply) { take(std::move(reply), with_script); });
}

void SharedStore::take(Result<RedisReply> reply, bool with_script) {
    if (!reply) return finish(std::unexpected(reply.error()));
    if (reply->is_error()) {
        const store::RedisFault fault = store::redis_fault(reply->text);
        if (fault == store::RedisFault::no_script && !with_script) return ask(true);
        refused(fault, reply->text);
        return finish(fail(Errc::io, Side::upstream, store::redis_fault_text(fault)));
    }
    const size_t count = batch_->at_hand().size();
    auto grants = store::read_lease_grants(*reply, count);
    if (!grants) return finish(std::unexpected(grants.error()));
    told_refusal_.clear();
    batch_->grants.insert(batch_->grants.end(), grants->begin(), grants->end());
    batch_->first += count;
    if (batch_->first < batch_->draws.size()) return ask(false);
    finish({});
}

void SharedStore::refused(store::RedisFault fault, std::string_view text) {
    std::string refusal = fmt::format("leases of limits cannot be drawn: {} ({})", store::redis_fault_text(fault),
                                      store::redis_error_text(text));
    if (refusal == told_refusal_) return;
    told_refusal_ = std::move(refusal);
    observe::log_warn("{}: {}", named(options_), told_refusal_);
}

void SharedStore::finish(Result<void> result) {
    const std::unique_ptr<Batch> batch = std::move(batch_);
    if (!result) return batch->done(std::unexpected(result.error()));
    batch->done(std::move(batch->grants));
}

}  // namespace loom::app
