#include "loom/upstream/redis_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client_tls.h"
#include "loom/base/crypto.h"

namespace loom::upstream {
namespace {

using store::RedisFault;
using store::RedisReply;

constexpr uint64_t pause_first_ms = 250;
constexpr size_t greeting_commands_max = 4;

Error upstream_error(Errc code, const char* what) noexcept {
    return {.code = code, .side = Side::upstream, .what = what};
}

/// Doubled with each failure in a row, half of it by chance: those that have lost the same server do not come back
/// together.
uint64_t pause_ms(uint32_t failures, uint64_t max_ms) noexcept {
    const uint32_t doublings = std::min<uint32_t>(failures - 1, 12);
    const uint64_t pause = std::min(pause_first_ms << doublings, max_ms);
    return pause / 2 + random_u64() % (pause / 2 + 1);
}

Errc code_of(RedisFault fault) noexcept {
    return fault == RedisFault::unauthenticated ? Errc::unauthenticated : Errc::unsupported;
}

}  // namespace

RedisClient::RedisClient(io::Shard& shard, net::NameService& names, RedisOptions options, Notice notice)
    : Runnable(&RedisClient::on_turn),
      shard_(shard),
      options_(std::move(options)),
      notice_(std::move(notice)),
      tls_(make_client_context(options_.endpoint)),
      plain_(make_client_buffers(options_.endpoint)),
      pool_(shard, names, *this, options_.endpoint, {.context = tls_.get(), .plain = plain_.get()}) {
    wake();
}

RedisClient::~RedisClient() {
    LOOM_ASSERT(idle());
    deadline_.disarm();
    deadline_.unlink();
}

size_t RedisClient::memory_bytes_max(const RedisOptions& options) noexcept {
    // A value of a reply takes more in memory than on the wire; commands are Loom's own, and stay below a reply's
    // bound.
    return sizeof(RedisClient) + 6 * options.reply_bytes_max + Connection::block_bytes(options.endpoint.tls) +
           net::Sender::gather_block_bytes + (options.endpoint.tls ? client_tls_bytes_max : 0);
}

bool RedisClient::idle() const noexcept {
    return state_ == State::closed && connection_ == nullptr && !draining_ && refused_.empty() && sent_.empty() &&
           waiting_.empty() && !io::Runnable::linked() && pool_.empty();
}

void RedisClient::ask(std::string command, Done done) {
    if (state_ == State::pausing || state_ == State::closed) {
        refused_.push_back({std::move(done), failed_by_});
    } else if (sent_.size() + waiting_.size() >= options_.queue_max + greeting_commands_max) {
        const Error full{.code = Errc::exhausted, .side = Side::internal, .what = "too many commands wait already"};
        refused_.push_back({std::move(done), full});
    } else {
        waiting_.push_back({.kind = Kind::command, .bytes = std::move(command), .done = std::move(done)});
    }
    wake();
}

void RedisClient::close() noexcept {
    if (state_ == State::closed) return;
    failed_by_ = {.code = Errc::cancelled, .side = Side::internal, .what = "the client was closed"};
    give_up();
    set_state(State::closed);
    deadline_.disarm();
    pool_.retire();
    wake();
}

void RedisClient::on_turn(io::Runnable& work) noexcept { static_cast<RedisClient&>(work).step(); }

/// What has come in the same turn of the loop counts first: a thread that was busy is no fault of the server's.
void RedisClient::on_deadline(io::Timer& timer) noexcept { static_cast<Deadline&>(timer).client.wake(); }

void RedisClient::note(const Error& why, std::string detail) noexcept {
    if (failure_.code != Errc::ok || connection_ == nullptr) return;
    failure_ = why;
    failure_detail_ = std::move(detail);
    wake();
}

/// What was answered before a connection's end counts.
void RedisClient::step() noexcept {
    while (!replies_.empty() && state_ != State::closed) {
        RedisReply reply = std::move(replies_.front());
        replies_.pop_front();
        take_reply(std::move(reply));
    }
    if (state_ != State::pausing && state_ != State::closed && due_ms() <= shard_.timers().now_ms())
        note(upstream_error(Errc::timed_out,
                            state_ == State::connecting ? "no connection in time" : "no answer in time"));
    if (failure_.code != Errc::ok && state_ != State::closed) tell_failure();
    if (state_ == State::pausing && !draining_ && shard_.timers().now_ms() >= resume_ms_) connect();
    send_waiting();
    if (state_ != State::closed) set_deadline();
    tell_refused();
}

void RedisClient::tell_refused() {
    std::deque<Refused> refused = std::exchange(refused_, {});
    for (Refused& one : refused) one.done(std::unexpected(one.why));
}

void RedisClient::connect() noexcept {
    since_ms_ = shard_.timers().now_ms();
    reader_ = std::make_unique<store::RedisReader>(options_.reply_bytes_max);
    set_state(State::connecting);
    const auto connection = pool_.acquire_fresh(*this);
    if (connection) {
        connection_ = *connection;
        return;
    }
    failure_ = connection.error();
    tell_failure();
}

void RedisClient::on_upstream_connected(Result<void> result) noexcept {
    if (!result) return note(result.error());
    set_state(State::greeting);
    greet();
    wake();
}

void RedisClient::queue_greeting(Kind kind, std::initializer_list<std::string_view> words) {
    waiting_.push_back({.kind = kind, .bytes = store::redis_command({words.begin(), words.size()}), .done = nullptr});
}

/// All in one go, before what waits. PING is last: who answers it serves.
void RedisClient::greet() {
    std::deque<Command> commands = std::exchange(waiting_, {});
    if (options_.password != nullptr && options_.username.empty())
        queue_greeting(Kind::auth, {"AUTH", options_.password->view()});
    else if (options_.password != nullptr)
        queue_greeting(Kind::auth, {"AUTH", options_.username, options_.password->view()});
    if (options_.database != 0) queue_greeting(Kind::select, {"SELECT", fmt::format_int(options_.database).str()});
    if (!options_.client_name.empty()) queue_greeting(Kind::name, {"CLIENT", "SETNAME", options_.client_name});
    queue_greeting(Kind::ping, {"PING"});
    std::ranges::move(commands, std::back_inserter(waiting_));
}

/// One send at a time, of all that waits; while it greets, of the greeting alone.
void RedisClient::send_waiting() noexcept {
    if (sending_ || draining_ || connection_ == nullptr || (state_ != State::greeting && state_ != State::open)) return;
    const auto goes = [this](const Command& one) { return state_ == State::open || one.kind != Kind::command; };
    size_t bytes = 0;
    for (const Command& one : waiting_)
        if (goes(one)) bytes += one.bytes.size();
    if (bytes == 0) return;
    std::string& text = outgoing_.text();
    text.clear();
    text.reserve(bytes);
    const uint64_t now_ms = shard_.timers().now_ms();
    while (!waiting_.empty() && goes(waiting_.front())) {
        Command command = std::move(waiting_.front());
        waiting_.pop_front();
        text.append(command.bytes);
        if (command.kind == Kind::auth) secure_wipe(command.bytes);
        command.bytes = {};
        command.sent_ms = now_ms;
        sent_.push_back(std::move(command));
    }
    sending_ = true;
    connection_->sender().add_stable(outgoing_.view());
    connection_->flush();
}

void RedisClient::on_upstream_sent(net::Sender::State state) noexcept {
    if (state == net::Sender::State::busy) return;
    if (state == net::Sender::State::idle) {
        sending_ = false;
        outgoing_ = Secret();
        return wake();
    }
    if (connection_ == nullptr) return;
    Error why = connection_->sender().error();
    why.side = Side::upstream;
    note(why);
}

void RedisClient::on_upstream_bytes(io::BufferLease bytes) noexcept {
    if (failure_.code != Errc::ok || connection_ == nullptr) return;
    if (const auto fed = reader_->feed(bytes.view()); !fed) return note(fed.error());
    for (;;) {
        auto reply = reader_->next();
        if (!reply) return note(reply.error());
        if (!*reply) return;
        if (replies_.size() >= sent_.size())
            return note(upstream_error(Errc::bad_message, "it speaks without having been asked"));
        replies_.push_back(std::move(**reply));
        wake();
    }
}

void RedisClient::on_upstream_end(Error why) noexcept { note(why); }

void RedisClient::on_upstream_closed() noexcept {
    draining_ = sending_ = false;
    outgoing_ = Secret();
    wake();
}

/// Does this server serve Loom? If not, the connection is given up, with what it says where that can hold no secret.
bool RedisClient::serves(const RedisReply& reply, bool with_detail) {
    if (!reply.is_error()) return true;
    const RedisFault fault = store::redis_fault(reply.text);
    if (fault == RedisFault::command || fault == RedisFault::out_of_memory || fault == RedisFault::no_script)
        return true;
    std::string detail;
    if (with_detail) detail = store::redis_error_text(reply.text);
    note(upstream_error(code_of(fault), store::redis_fault_text(fault)), std::move(detail));
    return false;
}

void RedisClient::take_reply(RedisReply reply) {
    if (sent_.empty() || failure_.code == Errc::unauthenticated || failure_.code == Errc::unsupported) return;
    Command command = std::move(sent_.front());
    sent_.pop_front();
    answered_ms_ = shard_.timers().now_ms();
    if (command.kind != Kind::command) return take_greeting(command.kind, reply);
    counts_.answers += 1;
    if (reply.is_error()) counts_.refusals += 1;
    if (!serves(reply, true)) {
        refused_.push_back({std::move(command.done), failure_});
        return;
    }
    failures_in_row_ = 0;
    command.done(std::move(reply));
}

void RedisClient::take_greeting(Kind kind, const RedisReply& reply) {
    const bool refused = reply.is_error();
    if (refused && reply.text.starts_with("ERR max number of clients"))
        return note(upstream_error(Errc::unsupported, "it has no room for another client: raise its maxclients"));
    switch (kind) {
        case Kind::auth:
            if (refused && serves(reply, false))
                note(upstream_error(Errc::unauthenticated, store::redis_fault_text(RedisFault::unauthenticated)));
            return;
        case Kind::select:
            if (refused && serves(reply, true))
                note(upstream_error(Errc::unsupported,
                                    "it has no such database (token_accounting.store.redis.database); a cluster has 0 "
                                    "alone"),
                     store::redis_error_text(reply.text));
            return;
        case Kind::ping:
            // A user may be let do what Loom needs, and no more.
            if (refused && !reply.text.starts_with("NOPERM") && !serves(reply, true)) return;
            if (!refused && reply.text != "PONG")
                return note(upstream_error(Errc::bad_message, "it answers PING as no Redis does"));
            counts_.connected += 1;
            set_state(State::open);
            return;
        case Kind::name:  // a server that knows no names serves all the same
            if (refused && !reply.text.starts_with("NOPERM")) (void)serves(reply, true);
            return;
        case Kind::command: return;
    }
}

/// Lets the connection go, and fails what was asked.
void RedisClient::give_up() noexcept {
    if (connection_ != nullptr) {
        draining_ = pool_.drop(*connection_, net::Close::abort);
        connection_ = nullptr;
    }
    if (!draining_) {
        sending_ = false;
        outgoing_ = Secret();
    }
    replies_.clear();
    reader_.reset();
    for (std::deque<Command>* const list : {&sent_, &waiting_}) {
        for (Command& command : *list) {
            if (command.kind == Kind::auth) secure_wipe(command.bytes);
            if (command.done) refused_.push_back({std::move(command.done), failed_by_});
        }
        list->clear();
    }
    failure_ = {};
    failure_detail_.clear();
}

void RedisClient::tell_failure() {
    failed_by_ = failure_;
    counts_.failures += 1;
    failures_in_row_ += 1;
    std::string fault = failure_.code == Errc::tls_failed && !tls_fault_.empty() ? tls_fault_
                        : failure_.what != nullptr && *failure_.what != '\0'     ? failure_.what
                                                                                 : errc_name(failure_.code);
    if (!failure_detail_.empty()) fault += fmt::format(" ({})", failure_detail_);
    give_up();
    const uint64_t pause = pause_ms(failures_in_row_, options_.pause_max_ms);
    resume_ms_ = shard_.timers().now_ms() + pause;
    const bool is_new = fault != fault_;
    fault_ = std::move(fault);
    set_state(State::pausing);
    if (is_new) notice_(false, fault_);
}

void RedisClient::set_state(State state) noexcept {
    const bool was_up = up();
    state_ = state;
    if (up() == was_up) return;
    if (up()) {
        fault_.clear();
        notice_(true, "it answers");
    }
    if (change_) change_(up());
}

/// When something is to be done without an event; UINT64_MAX: never.
uint64_t RedisClient::due_ms() const noexcept {
    if (state_ == State::pausing) return draining_ ? UINT64_MAX : resume_ms_;
    if (state_ != State::open) return since_ms_ + options_.timeout_ms;
    if (sent_.empty()) return UINT64_MAX;
    return std::max(sent_.front().sent_ms, answered_ms_) + options_.timeout_ms;
}

void RedisClient::set_deadline() noexcept {
    const uint64_t due = due_ms();
    if (due == UINT64_MAX) return deadline_.disarm();
    shard_.timers().arm_at(deadline_, due);
}

}  // namespace loom::upstream
