#include "loom/io/ring.h"

#include <cerrno>

namespace loom::io {

int Ring::open_socket(int family) noexcept {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 ? fd : -errno;
}

void Ring::shutdown(int fd, int how) noexcept { ::shutdown(fd, how); }

void Ring::reset_on_close(int fd) noexcept {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

socklen_t Ring::peer_name(int fd, sockaddr* address, socklen_t capacity) noexcept {
    return ::getpeername(fd, address, &capacity) == 0 ? capacity : 0;
}

}  // namespace loom::io
