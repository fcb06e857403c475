// The resolver before a scripted DNS server: each name below has its own way of answering.
#include "loom/net/resolver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

namespace loom::net {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

/// A DNS server on 127.0.0.1 that reads the question and lets a script write the answer.
class DnsServer {
  public:
    struct Question {
        std::string packet, name;
        uint16_t type;  // 1: A, 28: AAAA
    };
    using Script = std::function<std::string(const Question&)>;  // "" stays silent

    explicit DnsServer(Script script) : script_(std::move(script)), fd_(::socket(AF_INET, SOCK_DGRAM, 0)) {
        const Address any = *Address::parse_ip("127.0.0.1");
        EXPECT_EQ(::bind(fd_, any.get(), any.length()), 0);
        socklen_t length = Address::capacity();
        ::getsockname(fd_, self_.data(), &length);
        self_.set_length(length);
        thread_ = std::thread([this] { serve(); });
    }
    ~DnsServer() {
        stop_ = true;
        thread_.join();
        ::close(fd_);
    }
    std::string address() const { return self_.to_string(); }
    int packets() const { return packets_; }

  private:
    static Question parse(std::string packet) {
        Question question{std::move(packet), "", 0};
        size_t at = 12;
        for (size_t size; at < question.packet.size() && (size = uint8_t(question.packet[at])) != 0; at += size + 1) {
            question.name += question.packet.substr(at + 1, size) + ".";
        }
        question.type = static_cast<uint16_t>(question.packet[at + 2]);
        question.packet.resize(at + 5);
        return question;
    }
    void serve() {
        while (!stop_) {
            pollfd readable{fd_, POLLIN, 0};
            if (::poll(&readable, 1, 10) <= 0) continue;
            char bytes[1500];
            Address from;
            socklen_t length = Address::capacity();
            const ssize_t got = ::recvfrom(fd_, bytes, sizeof bytes, 0, from.data(), &length);
            if (got < 17) continue;
            packets_ += 1;
            const std::string answer = script_(parse(std::string(bytes, size_t(got))));
            if (!answer.empty()) ::sendto(fd_, answer.data(), answer.size(), 0, from.get(), length);
        }
    }

    Script script_;
    int fd_;
    Address self_;
    std::atomic<bool> stop_ = false;
    std::atomic<int> packets_ = 0;
    std::thread thread_;
};

/// An answer to `question` with rcode and resource records, each {type, ttl, data}.
struct Record {
    uint16_t type;
    uint32_t ttl;
    std::string data;
};
std::string answer(const DnsServer::Question& question, std::vector<Record> records, uint8_t rcode = 0) {
    std::string packet = question.packet;
    packet[2] = char(0x81);
    packet[3] = char(0x80 | rcode);
    packet[7] = char(records.size());
    packet.replace(8, 4, std::string(4, '\0'));
    for (const Record& record : records) {
        packet += std::string("\xc0\x0c\x00", 3) + char(record.type) + std::string("\x00\x01", 2);
        for (int shift = 24; shift >= 0; shift -= 8) packet += char(record.ttl >> shift);
        packet += std::string(1, '\0') + char(record.data.size()) + record.data;
    }
    return packet;
}
Record a(uint8_t last, uint32_t ttl = 60) { return {1, ttl, std::string("\x0a\x00\x00", 3) + char(last)}; }
Record aaaa(uint8_t last, uint32_t ttl = 60) {
    return {28, ttl, std::string("\xfd", 1) + std::string(14, '\0') + char(last)};
}

/// Waits for the answers of a test.
class Answers {
  public:
    struct One {
        Result<std::vector<Address>> addresses;
        seconds ttl;
    };
    Resolver::Done done() {
        return [this](Result<std::vector<Address>> addresses, seconds ttl) {
            const std::lock_guard lock(mutex_);
            all_.push_back({std::move(addresses), ttl});
            changed_.notify_all();
        };
    }
    std::vector<One> wait(size_t count) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(changed_.wait_for(lock, 10s, [&] { return all_.size() >= count; }));
        return all_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<One> all_;
};

std::unique_ptr<Resolver> start(const DnsServer& server, Resolver::Options options = {}) {
    options.servers = server.address();
    auto resolver = Resolver::start(options);
    EXPECT_TRUE(resolver.has_value());
    return std::move(*resolver);
}

Answers::One ask(Resolver& resolver, std::string host, uint16_t port = 443) {
    Answers answers;
    resolver.resolve(std::move(host), port, answers.done());
    return answers.wait(1).at(0);
}

std::string spelled(const Answers::One& one) {
    if (!one.addresses) return std::string(errc_name(one.addresses.error().code));
    std::string text;
    for (const Address& address : *one.addresses) text += (text.empty() ? "" : " ") + address.to_string();
    return text;
}

std::string refuse_all(const DnsServer::Question&) { return ""; }

TEST(Resolver, InterleavesFamiliesAndFillsInThePort) {
    DnsServer server(
        [](const auto& q) { return q.type == 1 ? answer(q, {a(1), a(2), a(3)}) : answer(q, {aaaa(1), aaaa(2)}); });
    auto resolver = start(server);
    auto one = ask(*resolver, "api.example.com");
    ASSERT_TRUE(one.addresses.has_value());
    EXPECT_EQ(one.addresses->size(), 5u);
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ((*one.addresses)[i].family(), i % 2 == 0 ? AF_INET : AF_INET6);
    for (const Address& address : *one.addresses) EXPECT_EQ(address.port(), 443);
    EXPECT_EQ(one.ttl, 60s);
}

TEST(Resolver, OneFamilyIsEnough) {
    DnsServer server([](const auto& q) { return q.type == 1 ? answer(q, {a(1)}) : answer(q, {}); });
    auto resolver = start(server);
    EXPECT_EQ(spelled(ask(*resolver, "v4.example.com")), "10.0.0.1:443");
    DnsServer six([](const auto& q) { return q.type == 28 ? answer(q, {aaaa(1)}) : answer(q, {}); });
    EXPECT_EQ(spelled(ask(*start(six), "v6.example.com")), "[fd00::1]:443");
}

// c-ares passes on what a server puts into its answer, also A records in one for AAAA.
TEST(Resolver, RecordsOfTheOtherFamilyAreLeftOut) {
    DnsServer server([](const auto& q) { return answer(q, {a(1), aaaa(1)}); });
    EXPECT_EQ(spelled(ask(*start(server), "both.example.com")), "10.0.0.1:443 [fd00::1]:443");
}

TEST(Resolver, AServerSilentAboutOneFamilyDoesNotHideTheOther) {
    DnsServer server([](const auto& q) { return q.type == 1 ? answer(q, {a(1)}) : ""; });
    auto resolver = start(server);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(spelled(ask(*resolver, "half.example.com")), "10.0.0.1:443");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST(Resolver, NumericHostsAndLocalhostAskNobody) {
    DnsServer server(refuse_all);
    auto resolver = start(server);
    EXPECT_EQ(spelled(ask(*resolver, "10.1.2.3", 80)), "10.1.2.3:80");
    EXPECT_EQ(spelled(ask(*resolver, "::1", 80)), "[::1]:80");
    EXPECT_EQ(spelled(ask(*resolver, "[::1]", 80)), "[::1]:80");
    EXPECT_EQ(spelled(ask(*resolver, "LOCALHOST", 80)), "127.0.0.1:80 [::1]:80");
    EXPECT_EQ(spelled(ask(*resolver, "app.localhost", 80)), "127.0.0.1:80 [::1]:80");
    EXPECT_EQ(server.packets(), 0);
    EXPECT_EQ(resolver->counts().lookups, 0u);
}

TEST(Resolver, EtcHostsGoesBeforeDns) {
    std::ifstream hosts("/etc/hosts");
    std::string line, ip, name;
    while (std::getline(hosts, line)) {
        std::istringstream words(line);
        if (!(words >> ip >> name) || ip.starts_with('#') || name.find("localhost") != std::string::npos ||
            !ip.starts_with("127."))
            name.clear();
        if (!name.empty()) break;
    }
    // Nothing to ask for; scripts/test lets this one skip pass, by name.
    if (name.empty()) GTEST_SKIP() << "/etc/hosts names nothing but localhost";
    DnsServer server([](const auto& q) { return answer(q, {}, 3); });
    EXPECT_EQ(spelled(ask(*start(server), name, 80)).substr(0, ip.size()), ip);
}

TEST(Resolver, TtlIsTheLeastOfTheAnswerWithinBounds) {
    DnsServer server([](const auto& q) {
        const uint32_t ttl = q.name.starts_with("zero") ? 0 : q.name.starts_with("day") ? 86400 : 30;
        return q.type == 1 ? answer(q, {a(1, ttl), a(2, ttl + 50)}) : answer(q, {});
    });
    auto resolver = start(server);
    EXPECT_EQ(ask(*resolver, "zero.example.com").ttl, 5s);
    EXPECT_EQ(ask(*resolver, "day.example.com").ttl, 300s);
    EXPECT_EQ(ask(*resolver, "half-minute.example.com").ttl, 30s);
}

TEST(Resolver, NoSuchNameIsKeptForAMoment) {
    DnsServer server([](const auto& q) { return answer(q, {}, 3); });
    auto resolver = start(server);
    const auto one = ask(*resolver, "nowhere.example.com.");
    ASSERT_FALSE(one.addresses.has_value());
    EXPECT_EQ(one.addresses.error().code, Errc::unreachable);
    EXPECT_EQ(one.addresses.error().side, Side::upstream);
    EXPECT_EQ(one.addresses.error().retry, Retry::safe);
    EXPECT_EQ(one.ttl, 2s);
    const int packets = server.packets();
    EXPECT_EQ(spelled(ask(*resolver, "nowhere.example.com.")), "unreachable");
    EXPECT_EQ(server.packets(), packets);
}

TEST(Resolver, SilenceEndsInATimeout) {
    DnsServer server(refuse_all);
    auto resolver = start(server, {.timeout = 300ms, .try_timeout = 100ms});
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(spelled(ask(*resolver, "silent.example.com")), "timed_out");
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_GE(took, 290ms);
    EXPECT_LT(took, 3s);
    EXPECT_GT(server.packets(), 2) << "asked again before giving up";
}

TEST(Resolver, GarbageAndTruncatedAnswersEndInAnError) {
    DnsServer server([](const auto& q) -> std::string {
        if (q.name.starts_with("short")) return q.packet.substr(0, 9);
        if (q.name.starts_with("noise")) return q.packet.substr(0, 2) + std::string(40, '\xff');
        if (q.name.starts_with("cut")) return answer(q, {a(1), a(2)}).substr(0, q.packet.size() + 20);
        if (q.name.starts_with("loop")) {  // a compressed name that points at itself
            std::string packet = answer(q, {{5, 60, std::string("\xc0\x2d", 2)}});
            return packet;
        }
        std::string tc = answer(q, {});  // "too long for UDP", and nobody listens on TCP
        tc[2] = char(tc[2] | 2);
        return tc;
    });
    auto resolver = start(server, {.timeout = 600ms, .try_timeout = 100ms});
    for (const char* host :
         {"short.example.com", "noise.example.com", "cut.example.com", "loop.example.com", "tc.example.com"}) {
        const auto one = ask(*resolver, host);
        EXPECT_FALSE(one.addresses.has_value()) << host;
    }
}

TEST(Resolver, ManyWhoAskForOneNameShareALookup) {
    std::atomic<bool> open = false;
    DnsServer server([&](const auto& q) {
        while (!open) std::this_thread::sleep_for(1ms);
        return q.type == 1 ? answer(q, {a(1)}) : answer(q, {});
    });
    auto resolver = start(server);
    Answers answers;
    for (int i = 0; i < 100; ++i)
        resolver->resolve(i % 2 ? "Shared.example.com" : "shared.example.com", uint16_t(1000 + i), answers.done());
    open = true;
    const auto all = answers.wait(100);
    EXPECT_EQ(all.size(), 100u);
    for (const auto& one : all) EXPECT_TRUE(one.addresses.has_value());
    EXPECT_EQ(resolver->counts().lookups, 1u);
    const uint64_t hits_before = resolver->counts().cache_hits;  // askers that came behind the answer
    EXPECT_EQ(spelled(ask(*resolver, "shared.example.com")), "10.0.0.1:443");
    EXPECT_EQ(resolver->counts().cache_hits, hits_before + 1);
    EXPECT_EQ(server.packets(), 2) << "one A, one AAAA";
}

TEST(Resolver, OpenQuestionsAreBounded) {
    DnsServer server(refuse_all);
    auto resolver = start(server, {.timeout = 300ms, .try_timeout = 100ms, .questions_max = 10});
    Answers answers;
    for (int i = 0; i < 15; ++i) resolver->resolve("q" + std::to_string(i) + ".example.com", 1, answers.done());
    size_t refused = 0, late = 0;
    for (const auto& one : answers.wait(15)) (one.addresses.error().code == Errc::exhausted ? refused : late) += 1;
    EXPECT_EQ(refused, 5u);
    EXPECT_EQ(late, 10u);
}

TEST(Resolver, StopCancelsWhatIsOpen) {
    DnsServer server(refuse_all);
    auto resolver = start(server);
    Answers answers;
    for (int i = 0; i < 50; ++i) resolver->resolve("s" + std::to_string(i % 20) + ".example.com", 1, answers.done());
    resolver->stop();
    const auto all = answers.wait(50);
    EXPECT_EQ(all.size(), 50u);
    for (const auto& one : all) EXPECT_EQ(spelled(one), "cancelled");
    EXPECT_EQ(spelled(ask(*resolver, "after.example.com")), "cancelled");
    resolver->stop();
}

TEST(Resolver, ADoneMayAskAgain) {
    DnsServer server([](const auto& q) { return q.type == 1 ? answer(q, {a(1)}) : answer(q, {}); });
    auto resolver = start(server);
    Answers answers;
    resolver->resolve("first.example.com", 1,
                      [&](auto, seconds) { resolver->resolve("second.example.com", 2, answers.done()); });
    EXPECT_EQ(spelled(answers.wait(1).at(0)), "10.0.0.1:2");
}

TEST(Resolver, BadNamesAndBadServersAreSaid) {
    DnsServer server(refuse_all);
    auto resolver = start(server);
    for (const std::string& host :
         {std::string(), std::string("a\0b", 3), std::string(300, 'x'), std::string("a..b")}) {
        EXPECT_EQ(spelled(ask(*resolver, host)), "unreachable") << host;
    }
    const auto refused = Resolver::start({.servers = "not-an-address"});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::bad_conf);
}

}  // namespace
}  // namespace loom::net
