#include "issued_keys.h"

#include <chrono>

#include "loom/observe/log.h"

namespace loom::app {
namespace {

constexpr auto patience = std::chrono::seconds(5);
constexpr const char* not_in_force = "it is kept, and not every shard goes by it yet: look again";

std::unexpected<std::string> not_kept(const std::string& fault) {
    observe::log_error("keys are not kept: {}", fault);
    return std::unexpected(std::string("it could not be kept, and nothing has changed; the log says why"));
}

}  // namespace

std::expected<std::unique_ptr<IssuedKeys>, std::string> IssuedKeys::open(const std::string& directory,
                                                                         std::function<void()> on_change) {
    auto store = store::KeyStore::open(directory);
    if (!store) return std::unexpected(store.error());
    auto keys = store->list();
    if (!keys) return std::unexpected(keys.error());
    return std::unique_ptr<IssuedKeys>(new IssuedKeys(std::move(*store), std::move(*keys), std::move(on_change)));
}

std::vector<store::StoredKey> IssuedKeys::keys() const {
    const std::scoped_lock lock(mutex_);
    return keys_;
}

std::expected<void, std::string> IssuedKeys::add(const store::StoredKey& key, const std::string& replaced_id,
                                                 int64_t ends_unix_s) {
    if (const auto added = store_.add(key, replaced_id, ends_unix_s); !added) return not_kept(added.error());
    return take();
}

std::expected<void, std::string> IssuedKeys::remove(const std::string& id) {
    if (const auto removed = store_.remove(id); !removed) return not_kept(removed.error());
    return take();
}

std::expected<void, std::string> IssuedKeys::take() {
    auto keys = store_.list();
    if (!keys) {
        observe::log_error("keys cannot be read: {}", keys.error());
        return std::unexpected(std::string(not_in_force));
    }
    std::unique_lock lock(mutex_);
    keys_ = std::move(*keys);
    const uint64_t version = ++version_;
    lock.unlock();
    on_change_();
    lock.lock();
    if (in_force_.wait_for(lock, patience, [&] { return version_in_force_ >= version; })) return {};
    return std::unexpected(std::string(not_in_force));
}

IssuedKeys::Good IssuedKeys::good_at(int64_t unix_s) const {
    const std::scoped_lock lock(mutex_);
    Good good{.keys = {}, .version = version_};
    for (const store::StoredKey& key : keys_)
        if (key.expires_unix_s == 0 || key.expires_unix_s > unix_s)
            good.keys.push_back({.consumer = key.consumer, .hash = key.hash});
    return good;
}

std::optional<int64_t> IssuedKeys::next_end(int64_t unix_s) const {
    const std::scoped_lock lock(mutex_);
    std::optional<int64_t> next;
    for (const store::StoredKey& key : keys_)
        if (key.expires_unix_s > unix_s && (!next || key.expires_unix_s < *next)) next = key.expires_unix_s;
    return next;
}

void IssuedKeys::note_in_force(uint64_t version) {
    {
        const std::scoped_lock lock(mutex_);
        version_in_force_ = std::max(version_in_force_, version);
    }
    in_force_.notify_all();
}

}  // namespace loom::app
