#include "scripted_upstream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace loom::wire {

UpstreamConnection::UpstreamConnection(ScriptedUpstream& upstream, Fd fd, size_t index)
    : upstream_(upstream), fd_(std::move(fd)), reader_(fd_.get()), index_(index) {
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    reader_.on_bytes = [this](std::string_view bytes) { upstream_.received_bytes_ += bytes.size(); };
}

std::optional<Message> UpstreamConnection::read_request() {
    // An idle connection may wait for its next request as long as the test lives: the destructor ends it.
    std::optional<Message> request = reader_.read_request(Deadline::in(std::chrono::minutes(5)));
    if (request && request->is_whole()) upstream_.record(*request);
    return request;
}

std::optional<Head> UpstreamConnection::read_request_head() {
    const Message* request = reader_.start_request(Deadline::in(std::chrono::minutes(5)));
    if (request == nullptr) return std::nullopt;
    return request->head;
}

bool UpstreamConnection::send_in_pieces(std::span<const std::string_view> pieces) {
    return std::all_of(pieces.begin(), pieces.end(), [this](std::string_view piece) {
        return piece.empty() || (send(piece) && wait_until_loom_has_read());
    });
}

bool UpstreamConnection::send_cut_at(std::string_view bytes, size_t cut) {
    const std::string_view pieces[] = {bytes.substr(0, cut), bytes.substr(cut)};
    return send_in_pieces(pieces);
}

bool UpstreamConnection::send_byte_by_byte(std::string_view bytes) {
    for (size_t at = 0; at < bytes.size(); ++at) {
        if (!send(bytes.substr(at, 1)) || !wait_until_loom_has_read()) return false;
    }
    return true;
}

bool UpstreamConnection::send_forever(std::string_view block, size_t bytes_max) {
    for (size_t at = 0; sent_bytes_ < bytes_max;) {
        const ssize_t sent = ::send(fd_.get(), block.data() + at, block.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            sent_bytes_ += static_cast<size_t>(sent);
            at = (at + static_cast<size_t>(sent)) % block.size();
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
        pollfd wait{.fd = fd_.get(), .events = POLLOUT | POLLRDHUP, .revents = 0};
        ::poll(&wait, 1, -1);
        if ((wait.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) return false;
    }
    return true;
}

void UpstreamConnection::half_close() { ::shutdown(fd_.get(), SHUT_WR); }

ScriptedUpstream::ScriptedUpstream(Script script, int send_buffer_bytes)
    : ScriptedUpstream(std::move(script), listen_on_loopback(send_buffer_bytes)) {}

ScriptedUpstream::ScriptedUpstream(Script script, Listening listening) : script_(std::move(script)) {
    listener_ = std::move(listening.fd);
    port_ = listening.port;
    acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedUpstream::~ScriptedUpstream() {
    stop_listening();
    {
        const std::lock_guard lock(mutex_);
        is_ending_ = true;
    }
    end_connections();
    std::vector<std::thread> threads;
    {
        const std::lock_guard lock(mutex_);
        threads.swap(threads_);
    }
    for (std::thread& thread : threads) {
        if (thread.joinable()) thread.join();
    }
}

void ScriptedUpstream::stop_listening() {
    if (is_stopping_.exchange(true)) return;
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    listener_.close();
}

void ScriptedUpstream::end_connections() {
    const std::lock_guard lock(mutex_);
    for (const int fd : live_fds_) ::shutdown(fd, SHUT_RDWR);  // -1 is none, and refused
}

void ScriptedUpstream::set_script(Script script) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(script);
}

void ScriptedUpstream::accept_all() {
    for (;;) {
        const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED) && !is_stopping_) continue;
        if (fd < 0) return;
        const size_t index = connection_count_.fetch_add(1);
        const std::lock_guard lock(mutex_);
        join_finished();
        live_fds_.push_back(-1);
        threads_.emplace_back([this, index, fd] { run(index, fd); });
    }
}

void ScriptedUpstream::join_finished() {
    for (const size_t index : finished_) threads_[index].join();
    finished_.clear();
}

void ScriptedUpstream::run(size_t index, int fd) {
    Script script;
    {
        const std::lock_guard lock(mutex_);
        live_fds_[index] = fd;
        script = script_;
        if (is_ending_) ::shutdown(fd, SHUT_RDWR);  // its thread came too late for end_connections
    }
    UpstreamConnection connection(*this, Fd(fd), index);
    std::string failure;
    try {
        script(connection);
    } catch (const std::exception& error) {
        failure = error.what();
    }
    const std::lock_guard lock(mutex_);
    live_fds_[index] = -1;
    if (!failure.empty() && !is_stopping_) failures_.push_back(failure);
    connection.close();
    if (!is_stopping_) finished_.push_back(index);
}

void ScriptedUpstream::record(Message request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
    changed_.notify_all();
}

size_t ScriptedUpstream::request_count() const {
    const std::lock_guard lock(mutex_);
    return requests_.size();
}

std::vector<Message> ScriptedUpstream::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

Message ScriptedUpstream::request(size_t index) const {
    std::unique_lock lock(mutex_);
    const auto time = std::chrono::milliseconds(Deadline::standard().ms_left());
    if (!changed_.wait_for(lock, time, [&] { return requests_.size() > index; })) {
        throw WireError("request " + std::to_string(index) + " did not reach the upstream");
    }
    return requests_[index];
}

Message ScriptedUpstream::last_request() const {
    const std::lock_guard lock(mutex_);
    if (requests_.empty()) throw WireError("no request reached the upstream");
    return requests_.back();
}

std::vector<std::string> ScriptedUpstream::failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
}

ScriptedUpstream::Script answer_always(std::string bytes) {
    return answer_with([bytes = std::move(bytes)](const Message&) { return bytes; });
}

ScriptedUpstream::Script answer_with(std::function<std::string(const Message&)> answer) {
    return [answer = std::move(answer)](UpstreamConnection& connection) {
        while (const std::optional<Message> request = connection.read_request()) {
            if (!request->is_whole() || !connection.send(answer(*request))) return;
        }
    };
}

void Gate::open() {
    const std::lock_guard lock(state_->mutex);
    state_->is_open = true;
    state_->opened.notify_all();
}

void Gate::wait(Deadline deadline) const {
    const std::shared_ptr<State> state = state_;
    std::unique_lock lock(state->mutex);
    const auto time = std::chrono::milliseconds(deadline.ms_left());
    if (!state->opened.wait_for(lock, time, [&] { return state->is_open; }))
        throw WireError("a gate was not opened in time");
}

bool Gate::is_open() const {
    const std::lock_guard lock(state_->mutex);
    return state_->is_open;
}

}  // namespace loom::wire
