#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace bench {

int64_t now_ns() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

void die(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    std::exit(70);
}

static sockaddr_in parse_address(std::string_view text) {
    const size_t colon = text.rfind(':');
    sockaddr_in address{};
    address.sin_family = AF_INET;
    errno = EINVAL;
    if (colon == text.npos) die("address must be IP:PORT");
    const std::string ip(text.substr(0, colon));
    if (inet_pton(AF_INET, ip.c_str(), &address.sin_addr) != 1) die("address must be an IPv4 literal");
    address.sin_port = htons(uint16_t(std::atoi(std::string(text.substr(colon + 1)).c_str())));
    return address;
}

static int open_socket() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int listen_on(std::string_view text) {
    const sockaddr_in address = parse_address(text);
    const int fd = open_socket();
    const int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("bind");
    if (listen(fd, 8192) != 0) die("listen");
    return fd;
}

int start_connect(std::string_view text) {
    const sockaddr_in address = parse_address(text);
    const int fd = open_socket();
    const int rc = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (rc != 0 && errno != EINPROGRESS) die("connect");
    return fd;
}

void pin_to_cpu(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) die("sched_setaffinity");
}

void raise_fd_limit() {
    rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    // Timers of the pacing and of the open loop are late by the slack, 50 us by default.
    prctl(PR_SET_TIMERSLACK, 1UL);
}

}  // namespace bench
