#include "issued_keys.h"

#include <chrono>

#include "loom/observe/log.h"

namespace loom::app {
namespace {

constexpr auto patience = std::chrono::seconds(5);

std::unexpected<std::string> not_kept(const std::string& fault) {
    observe::log_error("keys are not kept: {}", fault);
    return std::unexpected(std::string("it could not be kept, and nothing has changed; the log says why"));
}

}  // namespace

std::expected<std::unique_ptr<IssuedKeys>, std::string> IssuedKeys::open(const std::string& directory,
                                                                         store::VaultPtr vault,
                                                                         std::function<void()> on_change) {
    auto store = store::KeyStore::open(directory, std::move(vault));
    if (!store) return std::unexpected(store.error());
    auto keys = store->list();
    if (!keys) return std::unexpected(keys.error());
    auto shared = std::make_shared<const std::vector<store::StoredKey>>(std::move(*keys));
    return std::unique_ptr<IssuedKeys>(new IssuedKeys(std::move(*store), std::move(shared), std::move(on_change)));
}

admin::KeyDesk::Keys IssuedKeys::keys() const {
    const std::scoped_lock lock(mutex_);
    return keys_;
}

std::expected<bool, std::string> IssuedKeys::add(const store::StoredKey& key, const std::string& replaced_id,
                                                 int64_t ends_unix_s) {
    if (const auto added = store_.add(key, replaced_id, ends_unix_s); !added) return not_kept(added.error());
    std::vector<store::StoredKey> all = *keys();
    for (store::StoredKey& one : all)
        if (one.id == replaced_id) one.expires_unix_s = ends_unix_s;
    all.push_back(key);
    return take(std::move(all));
}

std::expected<bool, std::string> IssuedKeys::remove(const std::string& id) {
    if (const auto removed = store_.remove(id); !removed) return not_kept(removed.error());
    std::vector<store::StoredKey> all = *keys();
    std::erase_if(all, [&id](const store::StoredKey& one) { return one.id == id; });
    return take(std::move(all));
}

bool IssuedKeys::take(std::vector<store::StoredKey> keys) {
    auto shared = std::make_shared<const std::vector<store::StoredKey>>(std::move(keys));
    std::unique_lock lock(mutex_);
    keys_ = std::move(shared);
    const uint64_t version = ++version_;
    lock.unlock();
    on_change_();
    lock.lock();
    return in_force_.wait_for(lock, patience, [&] { return version_in_force_ >= version; });
}

IssuedKeys::Good IssuedKeys::good_at(int64_t unix_s) const {
    Good good;
    Keys all;
    {
        const std::scoped_lock lock(mutex_);
        all = keys_;
        good.version = version_;
    }
    for (const store::StoredKey& key : *all)
        if (key.expires_unix_s == 0 || key.expires_unix_s > unix_s)
            good.keys.push_back({.consumer = key.consumer, .hash = key.hash});
    return good;
}

std::optional<int64_t> IssuedKeys::next_end(int64_t unix_s) const {
    std::optional<int64_t> next;
    for (const store::StoredKey& key : *keys())
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
