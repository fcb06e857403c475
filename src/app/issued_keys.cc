#include "issued_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "loom/observe/log.h"

namespace loom::app {
namespace {

using tenant::MadeConsumer;

constexpr auto patience = std::chrono::seconds(5);

std::unexpected<std::string> not_kept(const std::string& fault) {
    observe::log_error("keys and consumers are not kept: {}", fault);
    return std::unexpected(std::string("it could not be kept, and nothing has changed; the log says why"));
}

/// One that says what this Loom does not understand might be more than it is: nothing of it is left away.
std::expected<MadeConsumer, std::string> read(const store::StoredConsumer& stored) {
    auto one = tenant::restore_made_consumer(stored.document);
    if (!one)
        return std::unexpected(
            fmt::format("keys.db: consumer {}: '{}' {}; start the Loom that wrote it, or a newer one", stored.name,
                        one.error().member, one.error().text));
    one->created_unix_s = stored.created_unix_s;
    one->changed_unix_s = stored.changed_unix_s;
    one->id = stored.id.empty() ? std::to_string(stored.created_unix_s) : stored.id;
    return std::move(*one);
}

store::StoredConsumer written(const MadeConsumer& one) {
    return {.name = one.consumer.name,
            .document = fmt::format("{{{}}}", tenant::made_consumer_members(one)),
            .created_unix_s = one.created_unix_s,
            .changed_unix_s = one.changed_unix_s,
            .id = one.id};
}

}  // namespace

std::expected<std::unique_ptr<IssuedKeys>, std::string> IssuedKeys::open(const std::string& directory,
                                                                         store::VaultPtr vault,
                                                                         std::function<void()> on_change) {
    auto store = store::KeyStore::open(directory, std::move(vault));
    if (!store) return std::unexpected(store.error());
    auto keys = store->list();
    if (!keys) return std::unexpected(keys.error());
    auto stored = store->consumers();
    if (!stored) return std::unexpected(stored.error());
    std::vector<MadeConsumer> consumers;
    for (const store::StoredConsumer& each : *stored) {
        auto one = read(each);
        if (!one) return std::unexpected(std::move(one.error()));
        consumers.push_back(std::move(*one));
    }
    auto shared = std::make_shared<const std::vector<store::StoredKey>>(std::move(*keys));
    auto shared_consumers = std::make_shared<const std::vector<MadeConsumer>>(std::move(consumers));
    return std::unique_ptr<IssuedKeys>(
        new IssuedKeys(std::move(*store), std::move(shared), std::move(shared_consumers), std::move(on_change)));
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
    return take(std::make_shared<const std::vector<store::StoredKey>>(std::move(all)), consumers());
}

std::expected<bool, std::string> IssuedKeys::remove(const std::string& id) {
    if (const auto removed = store_.remove(id); !removed) return not_kept(removed.error());
    std::vector<store::StoredKey> all = *keys();
    std::erase_if(all, [&id](const store::StoredKey& one) { return one.id == id; });
    return take(std::make_shared<const std::vector<store::StoredKey>>(std::move(all)), consumers());
}

admin::ConsumerDesk::Consumers IssuedKeys::consumers() const {
    const std::scoped_lock lock(mutex_);
    return consumers_;
}

admin::ConsumerDesk::Counts IssuedKeys::counts() const {
    const std::scoped_lock lock(mutex_);
    return counts_;
}

void IssuedKeys::note_counts(const Counts& counts) {
    const std::scoped_lock lock(mutex_);
    counts_ = counts;
}

std::expected<bool, std::string> IssuedKeys::put(const MadeConsumer& consumer) {
    const store::StoredConsumer document = written(consumer);
    if (const auto again = read(document); !again) return not_kept(again.error());  // or no Loom would start with it
    if (const auto kept = store_.put(document); !kept) return not_kept(kept.error());
    std::vector<MadeConsumer> all = *consumers();
    const auto place = std::ranges::lower_bound(all, consumer.consumer.name, {},
                                                [](const MadeConsumer& one) { return one.consumer.name; });
    if (place != all.end() && place->consumer.name == consumer.consumer.name)
        *place = consumer;
    else
        all.insert(place, consumer);
    return take(keys(), std::make_shared<const std::vector<MadeConsumer>>(std::move(all)));
}

std::expected<bool, std::string> IssuedKeys::remove_consumer(const std::string& name) {
    if (const auto removed = store_.remove_consumer(name); !removed) return not_kept(removed.error());
    std::vector<MadeConsumer> all = *consumers();
    std::vector<store::StoredKey> left = *keys();
    std::erase_if(all, [&name](const MadeConsumer& one) { return one.consumer.name == name; });
    std::erase_if(left, [&name](const store::StoredKey& one) { return one.consumer == name; });
    return take(std::make_shared<const std::vector<store::StoredKey>>(std::move(left)),
                std::make_shared<const std::vector<MadeConsumer>>(std::move(all)));
}

bool IssuedKeys::take(Keys keys, Consumers consumers) {
    std::unique_lock lock(mutex_);
    keys_ = std::move(keys);
    consumers_ = std::move(consumers);
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
        good.consumers = consumers_;
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
