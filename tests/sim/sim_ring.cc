#include "sim_ring.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace loom::sim {

void SimRing::start(Operation operation) {
    LOOM_ASSERT(!operation.completion->in_flight);
    operation.completion->in_flight = true;
    operations_.push_back(std::move(operation));
}

Operation* SimRing::operation_of(int fd, Op op) noexcept {
    for (Operation& operation : operations_)
        if (operation.fd == fd && operation.op == op) return &operation;
    return nullptr;
}

const Operation* SimRing::find(int fd, Op op) const noexcept {
    return const_cast<SimRing*>(this)->operation_of(fd, op);
}

const Operation* SimRing::oldest(Op op) const noexcept {
    for (const Operation& one : operations_)
        if (one.op == op) return &one;
    return nullptr;
}

bool SimRing::is_closed(int fd) const noexcept {
    return std::find(closed_.begin(), closed_.end(), fd) != closed_.end();
}

void SimRing::post(Operation& operation, int res, uint32_t flags) {
    posted_.push_back({operation.completion, io::Cqe{res, flags}});
    if ((flags & flag_more) != 0) return;
    operations_.erase(operations_.begin() + (&operation - operations_.data()));
}

void SimRing::complete(int fd, Op op, int res, uint32_t flags) {
    Operation* operation = operation_of(fd, op);
    if (operation == nullptr && op == Op::recv) operation = operation_of(fd, Op::recv_once);
    LOOM_ASSERT(operation != nullptr);  // a test that answers what nobody asked
    post(*operation, res, flags);
}

size_t SimRing::deliver(int fd, std::string_view bytes, uint32_t more) {
    size_t delivered = 0;
    while (delivered < bytes.size()) {
        Operation* operation = operation_of(fd, Op::recv);
        if (operation == nullptr) {
            operation = operation_of(fd, Op::recv_once);
            more = 0;
        }
        if (operation == nullptr) return delivered;  // nobody reads: it stays in the socket
        if (free_.empty()) {
            post(*operation, -ENOBUFS, 0);
            return delivered;
        }
        const std::string_view part = bytes.substr(delivered, free_.room());
        const io::Cqe cqe = free_.fill(part);
        post(*operation, cqe.res, cqe.flags | more);
        delivered += part.size();
    }
    return delivered;
}

io::BufferLease SimRing::lease(std::string_view bytes) {
    return buffers_.lease(free_.fill(bytes));  // fails where a lease did not come home
}

void SimRing::send(int fd, const msghdr& message, io::SendMode mode, io::Completion& completion) {
    Operation operation{Op::send, fd, &completion, mode};
    for (size_t i = 0; i < message.msg_iovlen; ++i)
        operation.bytes.append(static_cast<const char*>(message.msg_iov[i].iov_base), message.msg_iov[i].iov_len);
    start(std::move(operation));
}

void SimRing::write(int fd, std::span<const char> bytes, uint64_t offset, io::Completion& completion) {
    Operation operation{Op::write, fd, &completion};
    operation.bytes.assign(bytes.data(), bytes.size());
    operation.offset = offset;
    start(std::move(operation));
}

void SimRing::cancel(io::Completion& target) {
    for (Operation& operation : operations_) {
        if (operation.completion != &target) continue;
        operation.cancelled = true;
        if (operation.op == Op::read || operation.op == Op::hang_up) post(operation, -ECANCELED, 0);
        return;
    }
}

void SimRing::close(int fd) {
    for (const Operation& operation : operations_) LOOM_ASSERT(operation.fd != fd);
    if (fd < fd_base) ::close(fd);  // TcpStream::connect opens a real one
    closed_.push_back(fd);
}

uint32_t SimRing::dispatch() {
    uint32_t count = 0;
    for (; !posted_.empty(); ++count) {
        const Posted next = posted_.front();
        posted_.pop_front();
        if (!next.cqe.more()) next.completion->in_flight = false;
        next.completion->on_cqe(*next.completion, next.cqe);
    }
    return count;
}

SimShard::SimShard(const io::ShardOptions& options, bool incremental_buffers) : shard_(0, options) {
    auto ring = std::make_unique<SimRing>(shard_.buffers());
    ring_ = ring.get();
    shard_.open_on(std::move(ring), incremental_buffers);
}

SimShard::~SimShard() {
    shard_.tick();
    shard_.close();
    LOOM_ASSERT(shard_.buffers().leased_count() == 0);
    LOOM_ASSERT(shard_.blocks().live_count() == 0);
}

void SimShard::run_ms(uint64_t ms) {
    for (uint64_t i = 0; i < ms; ++i) {
        ring_->advance_ms(1);
        shard_.tick();
    }
}

}  // namespace loom::sim
