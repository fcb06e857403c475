#include "loom/proxy/local_stream.h"

#include <algorithm>
#include <utility>

namespace loom::proxy {

void LocalStream::note_readable(bool was_readable) {
    if (!was_readable && wake_) wake_();
}

void LocalStream::answer(LocalAnswer answer) {
    const std::lock_guard lock(mutex_);
    const bool was_readable = readable();
    whole_ = std::move(answer);
    is_over_ = true;
    note_readable(was_readable);
}

bool LocalStream::write(std::string_view piece) {
    std::unique_lock lock(mutex_);
    while (!piece.empty()) {
        room_.wait(lock, [this] { return left_ || queue_.size() < queue_bytes_max; });
        if (left_) return false;
        const bool was_readable = readable();
        const size_t size = std::min(piece.size(), queue_bytes_max - queue_.size());
        queue_.append(piece.substr(0, size));
        piece.remove_prefix(size);
        note_readable(was_readable);
    }
    return !left_;
}

void LocalStream::end() {
    const std::lock_guard lock(mutex_);
    const bool was_readable = readable();
    is_over_ = true;
    note_readable(was_readable);
}

void LocalStream::fail() {
    const std::lock_guard lock(mutex_);
    const bool was_readable = readable();
    is_over_ = true;
    failed_ = true;
    note_readable(was_readable);
}

bool LocalStream::is_wanted() const {
    const std::lock_guard lock(mutex_);
    return !left_;
}

LocalStream::Read LocalStream::read(size_t bytes_max) {
    Read read;
    {
        const std::lock_guard lock(mutex_);
        read.whole = std::exchange(whole_, std::nullopt);
        if (queue_.size() <= bytes_max) {
            read.piece = std::exchange(queue_, {});
        } else {
            read.piece = queue_.substr(0, bytes_max);
            queue_.erase(0, bytes_max);
        }
        read.is_over = is_over_ && queue_.empty();
        read.failed = read.is_over && failed_;
    }
    room_.notify_one();
    return read;
}

void LocalStream::on_readable(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
    note_readable(!readable());
}

void LocalStream::leave() {
    {
        const std::lock_guard lock(mutex_);
        left_ = true;
        wake_ = nullptr;
        queue_ = {};
    }
    room_.notify_one();
}

}  // namespace loom::proxy
