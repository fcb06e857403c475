#include "loom/store/redis_protocol.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace loom::store {
namespace {

/// Values in one reply: what a byte of a reply makes of memory is bounded by it.
constexpr size_t values_max = 65'536;

std::unexpected<Error> broken(Errc code, const char* what) { return fail(code, Side::upstream, what); }

/// hiredis builds a reply by these calls, each for the value whose place its task tells: a child of the array at hand,
/// or the whole. An array grows as its values come, so that a length alone takes no memory.
struct Building {
    size_t values = 0;
};

RedisReply* place(const redisReadTask* task, RedisReply::Type type) {
    auto& building = *static_cast<Building*>(task->privdata);
    if (++building.values > values_max) return nullptr;
    if (task->parent == nullptr) {
        auto* const whole = new RedisReply;
        whole->type = type;
        return whole;
    }
    // The parent's vector may move its items, but never while one of them is being filled: they come one after the
    // other, and the last is the one at hand.
    auto& items = static_cast<RedisReply*>(task->parent->obj)->items;
    items.emplace_back().type = type;
    return &items.back();
}

void* make_text(const redisReadTask* task, char* bytes, size_t size) {
    const auto type = task->type == REDIS_REPLY_ERROR    ? RedisReply::Type::error
                      : task->type == REDIS_REPLY_STATUS ? RedisReply::Type::status
                                                         : RedisReply::Type::text;
    RedisReply* const reply = place(task, type);
    if (reply != nullptr) reply->text.assign(bytes, size);
    return reply;
}

#if HIREDIS_MAJOR >= 1
using ArrayLength = size_t;
#else
using ArrayLength = int;
#endif
/// Not of RESP3's maps, sets and pushes, which come by this call too.
void* make_array(const redisReadTask* task, ArrayLength) {
    return task->type == REDIS_REPLY_ARRAY ? place(task, RedisReply::Type::array) : nullptr;
}

void* make_integer(const redisReadTask* task, long long value) {
    RedisReply* const reply = place(task, RedisReply::Type::integer);
    if (reply != nullptr) reply->integer = value;
    return reply;
}

void* make_nil(const redisReadTask* task) { return place(task, RedisReply::Type::nil); }

#if HIREDIS_MAJOR >= 1
/// Null says that there is no such value, which ends the reading; without these calls hiredis goes on with none.
void* refuse_double(const redisReadTask*, double, char*, size_t) { return nullptr; }
void* refuse_boolean(const redisReadTask*, int) { return nullptr; }
#endif

/// Of the whole: what is in it belongs to it.
void free_reply(void* reply) { delete static_cast<RedisReply*>(reply); }

redisReplyObjectFunctions reply_functions() noexcept {
    redisReplyObjectFunctions functions{};  // none of RESP3's, which nobody asks for
    functions.createString = make_text;
    functions.createArray = make_array;
    functions.createInteger = make_integer;
    functions.createNil = make_nil;
    functions.freeObject = free_reply;
#if HIREDIS_MAJOR >= 1
    functions.createDouble = refuse_double;
    functions.createBool = refuse_boolean;
#endif
    return functions;
}

std::string_view code_of(std::string_view text) noexcept { return text.substr(0, text.find(' ')); }

}  // namespace

struct RedisReader::Impl {
    struct Free {
        void operator()(redisReader* reader) const noexcept { redisReaderFree(reader); }
    };

    size_t reply_bytes_max = 0;
    size_t open_bytes = 0;  // fed, and of no reply that was handed out
    bool broken = false;
    Building building;
    redisReplyObjectFunctions functions = reply_functions();
    std::unique_ptr<redisReader, Free> reader;
};

RedisReader::RedisReader(size_t reply_bytes_max) : impl_(std::make_unique<Impl>()) {
    impl_->reply_bytes_max = reply_bytes_max;
    impl_->reader.reset(redisReaderCreateWithFunctions(&impl_->functions));
    if (impl_->reader == nullptr) std::abort();  // memory
    impl_->reader->privdata = &impl_->building;
}

RedisReader::~RedisReader() = default;

Result<void> RedisReader::feed(std::string_view bytes) {
    Impl& impl = *impl_;
    if (impl.broken) return broken(Errc::bad_message, "what came before is no reply");
    impl.open_bytes += bytes.size();
    if (impl.open_bytes > impl.reply_bytes_max) {
        impl.broken = true;
        return broken(Errc::too_large, "a reply is larger than is taken");
    }
    if (redisReaderFeed(impl.reader.get(), bytes.data(), bytes.size()) == REDIS_OK) return {};
    impl.broken = true;
    return broken(Errc::bad_message, "what came is no reply of Redis's");
}

Result<std::optional<RedisReply>> RedisReader::next() {
    Impl& impl = *impl_;
    if (impl.broken) return broken(Errc::bad_message, "what came is no reply of Redis's");
    void* whole = nullptr;
    if (redisReaderGetReply(impl.reader.get(), &whole) != REDIS_OK) {
        impl.broken = true;
        return broken(Errc::bad_message, "what came is no reply of Redis's");
    }
    if (whole == nullptr) return std::nullopt;
    const std::unique_ptr<RedisReply> reply(static_cast<RedisReply*>(whole));
    impl.building.values = 0;
    impl.open_bytes = impl.reader->len - impl.reader->pos;
    return std::move(*reply);
}

void append_redis_command(std::string& out, std::span<const std::string_view> words) {
    fmt::format_to(std::back_inserter(out), "*{}\r\n", words.size());
    for (const std::string_view word : words) {
        fmt::format_to(std::back_inserter(out), "${}\r\n", word.size());
        out.append(word);
        out.append("\r\n");
    }
}

std::string redis_command(std::span<const std::string_view> words) {
    size_t bytes = 32;
    for (const std::string_view word : words) bytes += word.size() + 16;
    std::string out;
    out.reserve(bytes);
    append_redis_command(out, words);
    return out;
}

RedisFault redis_fault(std::string_view text) noexcept {
    struct Row {
        std::string_view code;
        RedisFault fault;
    };
    constexpr Row rows[] = {
        {"NOSCRIPT", RedisFault::no_script},
        {"OOM", RedisFault::out_of_memory},
        {"NOAUTH", RedisFault::unauthenticated},
        {"WRONGPASS", RedisFault::unauthenticated},
        {"NOPERM", RedisFault::unauthenticated},
        {"LOADING", RedisFault::loading},
        {"BUSY", RedisFault::loading},
        {"MASTERDOWN", RedisFault::loading},
        {"CLUSTERDOWN", RedisFault::loading},
        {"TRYAGAIN", RedisFault::loading},
        {"NOREPLICAS", RedisFault::loading},
        {"MISCONF", RedisFault::read_only},
        {"READONLY", RedisFault::read_only},
        {"MOVED", RedisFault::moved},
        {"ASK", RedisFault::moved},
    };
    const std::string_view code = code_of(text);
    for (const Row& row : rows)
        if (code == row.code) return row.fault;
    // Redis before 6 has no code of its own for them.
    const auto says = [text](std::string_view words) { return text.find(words) != text.npos; };
    if (says("invalid password") || says("invalid username-password") || says("called without any password"))
        return RedisFault::unauthenticated;
    // A script that meets one of these says so in the middle of its own complaint.
    if (code == "ERR" && says("NOPERM")) return RedisFault::unauthenticated;
    if (code == "ERR" && says("READONLY")) return RedisFault::read_only;
    if (code == "ERR" && says("-OOM")) return RedisFault::out_of_memory;
    return RedisFault::command;
}

const char* redis_fault_text(RedisFault fault) noexcept {
    switch (fault) {
        case RedisFault::command: return "it refuses a command";
        case RedisFault::out_of_memory: return "it is out of memory: raise its maxmemory, or give Loom one of its own";
        case RedisFault::no_script: return "it has forgotten a script";
        case RedisFault::unauthenticated:
            return "it refuses this user or password (token_accounting.store.redis.username, .password); the user "
                   "needs +@scripting, +@string, +@hash, +@sortedset, +pexpire, +time and the keys of key_prefix";
        case RedisFault::loading: return "it cannot serve yet";
        case RedisFault::read_only:
            return "it takes no writes: it is a replica, or cannot write to its disk; name the primary";
        case RedisFault::moved:
            return "it is a node of a cluster that has not Loom's slot: name the node that has it in "
                   "token_accounting.store.redis.address";
    }
    return "it refuses a command";
}

std::string_view redis_moved_to(std::string_view text) noexcept {
    const std::string_view code = code_of(text);
    if (code != "MOVED" && code != "ASK") return {};
    text.remove_prefix(code.size());
    const size_t last = text.rfind(' ');
    if (last == text.npos || last == 0) return {};
    return text.substr(last + 1);
}

std::string redis_error_text(std::string_view text) {
    constexpr size_t bytes_max = 160;
    std::string shown(text.substr(0, bytes_max));
    for (char& c : shown)
        if (c < ' ' || c > '~') c = '?';
    return shown;
}

std::string redis_key(std::string_view prefix, std::string_view name) {
    const size_t open = prefix.find('{');
    const bool tagged = open != prefix.npos && prefix.find('}', open) != prefix.npos && prefix[open + 1] != '}';
    return fmt::format("{}{}{}", prefix, tagged ? "" : "{loom}", name);
}

}  // namespace loom::store
