// Whatever DNS servers answer: addresses without doubles and within the bound, IPv4 first and the families in turn, or
// an error that says whose it is. A DNS server of memory stands behind c-ares' own socket functions; the first byte
// says where the answer for A ends and the one for AAAA begins, and whether the question is echoed rightly.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "dns_answer.h"

using namespace loom;
using namespace loom::net;

namespace {

constexpr int socket_base = 1 << 24;  // descriptors that no kernel knows

void require(bool holds) {
    if (!holds) __builtin_trap();
}

struct Server {
    std::string_view answer;  // flags (2), counts of answer, authority and additional records (3), records
    bool echoes = true;
    std::string query;
    bool answered = false;

    [[nodiscard]] std::string packet() const {
        const auto at = [this](size_t i) { return i < answer.size() ? answer[i] : '\0'; };
        std::string text = query.substr(0, 2);
        text += static_cast<char>(at(0) | 0x80);  // an answer
        text += at(1);
        for (const char count : {'\1', at(2), at(3), at(4)}) text += std::string(1, '\0') + count;
        if (echoes) text += query.substr(12);
        return text.append(answer.substr(std::min<size_t>(5, answer.size())));
    }
};

ares_socket_t open_socket(int, int type, int, void*) { return type == SOCK_DGRAM ? socket_base : ARES_SOCKET_BAD; }
int close_socket(ares_socket_t, void*) { return 0; }
int connect_socket(ares_socket_t, const sockaddr*, ares_socklen_t, void*) { return 0; }

ares_ssize_t send_query(ares_socket_t, const iovec* pieces, int count, void* user) {
    auto& server = *static_cast<Server*>(user);
    server.query.clear();
    for (int i = 0; i < count; ++i)
        server.query.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    server.answered = false;
    return static_cast<ares_ssize_t>(server.query.size());
}

ares_ssize_t receive(ares_socket_t, void* buffer, size_t bytes, int, sockaddr* from, ares_socklen_t* length,
                     void* user) {
    auto& server = *static_cast<Server*>(user);
    if (server.query.size() < 12 || std::exchange(server.answered, true)) {
        errno = EAGAIN;
        return -1;
    }
    if (from != nullptr) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(53);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        std::memcpy(from, &address, std::min<size_t>(sizeof address, *length));
        *length = sizeof address;
    }
    const std::string packet = server.packet();
    const size_t part = std::min(bytes, packet.size());
    std::memcpy(buffer, packet.data(), part);
    return static_cast<ares_ssize_t>(part);
}

const ares_socket_functions functions{open_socket, close_socket, connect_socket, receive, send_query};

struct Ask {
    DnsAnswer& answer;
    DnsAnswer::Family& family;
    int calls = 0;
};

void on_answer(void* user, int status, int, ares_addrinfo* info) {
    Ask& ask = *static_cast<Ask*>(user);
    ask.calls += 1;
    ask.answer.take(ask.family, status, info);
    if (info != nullptr) ares_freeaddrinfo(info);
}

void look_up(DnsAnswer& answer, DnsAnswer::Family& family, int af, Server& server) {
    ares_channel channel = nullptr;
    ares_options options{};
    char lookups[] = "b";  // no /etc/hosts
    options.timeout = 1;
    options.tries = 1;
    options.lookups = lookups;
    require(ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS) ==
            ARES_SUCCESS);
    require(ares_set_servers_ports_csv(channel, "127.0.0.1:53") == ARES_SUCCESS);
    ares_set_socket_functions(channel, &functions, &server);
    ares_addrinfo_hints hints{};
    hints.ai_flags = ARES_AI_NOSORT;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_family = af;
    Ask ask{answer, family};
    ares_getaddrinfo(channel, "host.test.", nullptr, &hints, on_answer, &ask);
    for (int turn = 0; turn < 4 && ask.calls == 0; ++turn) ares_process_fd(channel, socket_base, ARES_SOCKET_BAD);
    ares_destroy(channel);  // what is open yet ends here, as at the resolver's stop
    require(ask.calls == 1);
}

void check(const DnsAnswer& answer) {
    const auto addresses = answer.addresses();
    const auto ttl = answer.ttl(std::chrono::seconds(5), std::chrono::seconds(300));
    require(ttl.count() >= 5 && ttl.count() <= 300);
    require(addresses.has_value() == answer.has_addresses());
    if (!addresses) {
        require(addresses.error().code != Errc::ok && addresses.error().retry == Retry::safe);
        require(std::string_view(addresses.error().what) != "");
        return;
    }
    require(!addresses->empty() && addresses->size() <= DnsAnswer::addresses_max);
    const size_t pairs = 2 * std::min(answer.v4.addresses.size(), answer.v6.addresses.size());
    for (size_t i = 0; i < addresses->size(); ++i) {
        const Address& address = (*addresses)[i];
        require(address.is_ip());
        if (i < pairs) require(address.family() == (i % 2 == 0 ? AF_INET : AF_INET6));
        require(std::find(addresses->begin(), addresses->begin() + static_cast<ptrdiff_t>(i), address) ==
                addresses->begin() + static_cast<ptrdiff_t>(i));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const bool ready = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    require(ready);
    if (size == 0 || size > 4096) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const size_t cut = bytes.size() * (data[0] >> 1) / 127;
    Server v4{.answer = bytes.substr(0, cut), .echoes = (data[0] & 1) == 0};
    Server v6{.answer = bytes.substr(cut), .echoes = (data[0] & 1) == 0};
    DnsAnswer answer;
    look_up(answer, answer.v4, AF_INET, v4);
    look_up(answer, answer.v6, AF_INET6, v6);
    check(answer);
    return 0;
}
