#include "loom/io/uring.h"

#include <fmt/format.h>
#include <liburing.h>
#include <poll.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace loom::io {
namespace {

constexpr int buffer_group = 0;
constexpr uint32_t completions_per_entry = 8;
constexpr uint16_t register_incremental = 2;  // IOU_PBUF_RING_INC; liburing 2.3 calls its flags field `pad`

class Uring final : public Ring {
  public:
    explicit Uring(BufferPool& buffers) : buffers_(buffers) {}
    ~Uring() override;

    Result<void> open(const RingOptions& options);

    void recv_multishot(int fd, Completion& completion) override;
    void recv_once(int fd, Completion& completion) override;
    void poll_hang_up(int fd, Completion& completion) override;
    void accept_multishot(int fd, Completion& completion) override;
    void send(int fd, const msghdr& message, SendMode mode, Completion& completion) override;
    void connect(int fd, const sockaddr* address, socklen_t length, Completion& completion) override;
    void read(int fd, std::span<char> into, Completion& completion) override;
    void write(int fd, std::span<const char> bytes, uint64_t offset, Completion& completion) override;
    void cancel(Completion& target) override;
    void close(int fd) override;
    void provide_buffer(uint16_t id) override;
    void wait(uint64_t timeout_ns) override;
    uint32_t dispatch() override;
    [[nodiscard]] uint64_t overflow_count() const noexcept override { return overflow_count_; }

  private:
    io_uring_sqe& next_sqe();
    void start(io_uring_sqe& sqe, Completion& completion);
    Result<void> register_buffers(bool incremental);
    void publish_buffers();

    io_uring ring_{};
    io_uring_buf_ring* buffer_ring_ = nullptr;
    BufferPool& buffers_;
    uint16_t returned_count_ = 0;  // buffers written behind the tail and not yet published
    uint64_t overflow_count_ = 0;
    bool open_ = false;
};

Uring::~Uring() {
    if (!open_) return;
    io_uring_queue_exit(&ring_);
    if (buffer_ring_ != nullptr) std::free(buffer_ring_);
}

Result<void> Uring::open(const RingOptions& options) {
    io_uring_params params{};
    params.flags = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN;
    if (options.features.defer_taskrun) params.flags |= IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER;
    params.cq_entries = options.entries * completions_per_entry;
    const int error = io_uring_queue_init_params(options.entries, &ring_, &params);
    if (error < 0) return fail(Errc::io, Side::internal, "io_uring_setup", -error);
    open_ = true;
    io_uring_register_ring_fd(&ring_);  // saves a file look-up an enter; harmless where refused
    return register_buffers(options.features.incremental_buffers);
}

Result<void> Uring::register_buffers(bool incremental) {
    const size_t bytes = size_t{buffers_.count()} * sizeof(io_uring_buf);
    buffer_ring_ = static_cast<io_uring_buf_ring*>(std::aligned_alloc(4096, (bytes + 4095) & ~size_t{4095}));
    LOOM_ASSERT(buffer_ring_ != nullptr);
    std::memset(buffer_ring_, 0, bytes);
    io_uring_buf_ring_init(buffer_ring_);

    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<uintptr_t>(buffer_ring_);
    registration.ring_entries = buffers_.count();
    registration.bgid = buffer_group;
    registration.pad = incremental ? register_incremental : 0;
    const int error = io_uring_register_buf_ring(&ring_, &registration, 0);
    if (error < 0) return fail(Errc::io, Side::internal, "register provided buffers", -error);
    return {};
}

io_uring_sqe& Uring::next_sqe() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) [[unlikely]] {
        io_uring_submit(&ring_);
        sqe = io_uring_get_sqe(&ring_);
        LOOM_ASSERT(sqe != nullptr);
    }
    return *sqe;
}

void Uring::start(io_uring_sqe& sqe, Completion& completion) {
    LOOM_ASSERT(!completion.in_flight);
    completion.in_flight = true;
    io_uring_sqe_set_data(&sqe, &completion);
}

void Uring::recv_multishot(int fd, Completion& completion) {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_recv_multishot(&sqe, fd, nullptr, 0, 0);
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = buffer_group;
    start(sqe, completion);
}

void Uring::recv_once(int fd, Completion& completion) {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_recv(&sqe, fd, nullptr, 0, 0);
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = buffer_group;
    start(sqe, completion);
}

void Uring::poll_hang_up(int fd, Completion& completion) {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_poll_add(&sqe, fd, POLLRDHUP);  // POLLERR and POLLHUP come unasked
    start(sqe, completion);
}

void Uring::accept_multishot(int fd, Completion& completion) {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_multishot_accept(&sqe, fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    start(sqe, completion);
}

void Uring::send(int fd, const msghdr& message, SendMode mode, Completion& completion) {
    io_uring_sqe& sqe = next_sqe();
    int flags = MSG_NOSIGNAL;
    if (mode == SendMode::now) flags |= MSG_DONTWAIT;
    if (mode == SendMode::whole) flags |= MSG_WAITALL;
    if (message.msg_iovlen == 1)  // a plain send saves the kernel the import of the header
        io_uring_prep_send(&sqe, fd, message.msg_iov->iov_base, message.msg_iov->iov_len, flags);
    else
        io_uring_prep_sendmsg(&sqe, fd, &message, static_cast<unsigned>(flags));
    start(sqe, completion);
}

void Uring::connect(int fd, const sockaddr* address, socklen_t length, Completion& completion) {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_connect(&sqe, fd, address, length);
    start(sqe, completion);
}

void Uring::read(int fd, std::span<char> into, Completion& completion) {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_read(&sqe, fd, into.data(), static_cast<unsigned>(into.size()), 0);
    start(sqe, completion);
}

void Uring::write(int fd, std::span<const char> bytes, uint64_t offset, Completion& completion) {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_write(&sqe, fd, bytes.data(), static_cast<unsigned>(bytes.size()), offset);
    start(sqe, completion);
}

void Uring::cancel(Completion& target) {
    if (!target.in_flight) return;
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_cancel(&sqe, &target, 0);
    io_uring_sqe_set_data(&sqe, nullptr);
    sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void Uring::close(int fd) {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_close(&sqe, fd);
    io_uring_sqe_set_data(&sqe, nullptr);
    sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void Uring::provide_buffer(uint16_t id) {
    // Written relative to the tail that the kernel knows, and published together: a tail advanced in between would make
    // the kernel read an entry that this tick overwrites.
    io_uring_buf_ring_add(buffer_ring_, buffers_.buffer(id), buffers_.buffer_bytes(), id, buffers_.count() - 1,
                          returned_count_);
    returned_count_ += 1;
    LOOM_ASSERT(returned_count_ <= buffers_.count());
}

void Uring::publish_buffers() {
    if (returned_count_ == 0) return;
    io_uring_buf_ring_advance(buffer_ring_, returned_count_);
    returned_count_ = 0;
}

void Uring::wait(uint64_t timeout_ns) {
    publish_buffers();
    if (timeout_ns == 0) {
        io_uring_submit_and_get_events(&ring_);
    } else {
        io_uring_cqe* first = nullptr;
        __kernel_timespec timeout{};
        timeout.tv_sec = static_cast<int64_t>(timeout_ns / 1'000'000'000);
        timeout.tv_nsec = static_cast<long long>(timeout_ns % 1'000'000'000);
        io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
    }
    if (io_uring_cq_has_overflow(&ring_)) [[unlikely]]
        overflow_count_ += 1;
}

uint32_t Uring::dispatch() {
    uint32_t count = 0;
    unsigned head;
    io_uring_cqe* cqe;
    io_uring_for_each_cqe(&ring_, head, cqe) {
        count += 1;
        auto* const completion = static_cast<Completion*>(io_uring_cqe_get_data(cqe));
        if (completion == nullptr) continue;
        const Cqe result{cqe->res, cqe->flags};
        if (!result.more()) completion->in_flight = false;
        completion->on_cqe(*completion, result);
    }
    io_uring_cq_advance(&ring_, count);
    return count;
}

int read_sysctl(const char* path) {
    int value = -1;
    if (FILE* const file = std::fopen(path, "re")) {
        if (std::fscanf(file, "%d", &value) != 1) value = -1;
        std::fclose(file);
    }
    return value;
}

}  // namespace

Result<std::unique_ptr<Ring>> make_uring(const RingOptions& options, BufferPool& buffers) {
    auto ring = std::make_unique<Uring>(buffers);
    const auto opened = ring->open(options);
    if (!opened) return std::unexpected(opened.error());
    buffers.attach(*ring, options.features.incremental_buffers);
    return std::unique_ptr<Ring>(std::move(ring));
}

uint64_t ring_memory_bytes(uint32_t entries, uint16_t buffer_count) noexcept {
    constexpr uint64_t page_bytes = 4096;  // the rings' heads and tails, and rounding
    const uint64_t per_entry = sizeof(io_uring_sqe) + sizeof(uint32_t) + completions_per_entry * sizeof(io_uring_cqe);
    return entries * per_entry + buffer_count * sizeof(io_uring_buf) + 3 * page_bytes;
}

Result<RingFeatures> probe_features(RingFeatures wanted) {
    RingFeatures offered = wanted;
    for (;;) {
        BufferPool buffers(8, 4096);
        Uring ring(buffers);
        const auto opened = ring.open(RingOptions{.entries = 8, .features = offered});
        if (opened) return offered;
        if (opened.error().sys_errno != EINVAL) return std::unexpected(opened.error());
        if (offered.incremental_buffers)
            offered.incremental_buffers = false;
        else if (offered.defer_taskrun)
            offered.defer_taskrun = false;
        else
            return std::unexpected(opened.error());
    }
}

std::string explain_refusal(int sys_errno) {
    const int disabled = read_sysctl("/proc/sys/kernel/io_uring_disabled");
    if (sys_errno == EPERM && disabled > 0)
        return fmt::format(
            "io_uring is switched off by the sysctl kernel.io_uring_disabled={}. Allow it with "
            "`sysctl kernel.io_uring_disabled=0`{}.",
            disabled, disabled == 1 ? ", or run Loom with CAP_SYS_ADMIN or in the group kernel.io_uring_group" : "");
    if (sys_errno == EPERM || sys_errno == EACCES)
        return "io_uring is refused by a seccomp filter or a security module. In a container, allow the system calls "
               "io_uring_setup, io_uring_enter and io_uring_register (Docker: --security-opt seccomp=profile.json).";
    if (sys_errno == ENOSYS || sys_errno == EINVAL) {
        utsname system{};
        ::uname(&system);
        return fmt::format("this kernel ({}) lacks what Loom needs of io_uring; Linux 6.1 or newer has it.",
                           system.release);
    }
    if (sys_errno == ENOMEM)
        return "the kernel has no memory for the ring: raise `ulimit -l` (memlock) or lower loop.ring_entries.";
    return fmt::format("io_uring_setup failed: {}.", std::strerror(sys_errno));
}

}  // namespace loom::io
